/* tool-run: makes any program a tool: runs it for each approved call of its name; or makes the
 * calls at an MCP server. */
#include "approval/executor.h"
#include "approval/token_keeper.h"
#include "base/utf8.h"
#include "cli/options.h"
#include "cli/run.h"
#include "document/argument_variables.h"
#include "document/call.h"
#include "document/reader.h"
#include "document/stage.h"
#include "document/stream.h"
#include "mcp/client.h"
#include "mcp/result.h"
#include "model/conversation.h"
#include "system/confine.h"
#include "system/program_helper.h"
#include "system/settings.h"
#include "json/json.h"
#include "json/redact_json.h"

#include <stdlib.h>
#include <string.h>

static struct {
    bool verbose, without_approval, at_most_once, mcp, describe;
    struct option_list tools;
    const char *describe_file, *prefix;
    double max_run_time;
    long limit, token_fd;
    struct ledger_settings ledger;
    struct token_settings tokens;
    struct stream_jobs jobs;
    struct confinement needs;
} options = {.limit = -1};

static const struct option_spec option_table[] = {
    {0, "tool", "NAME", OPTION_LIST, &options.tools,
     "the tool's name; with --mcp several, or all that the server lists"},
    {0, "mcp", NULL, OPTION_FLAG, &options.mcp, "PROGRAM is an MCP server (stdio): call its tools"},
    {0, "describe", NULL, OPTION_FLAG, &options.describe,
     "with --mcp: print the definitions of its tools"},
    {0, "describe-file", "FILE", OPTION_TEXT, &options.describe_file,
     "print the tool definition in FILE"},
    {0, "without-approval", NULL, OPTION_FLAG, &options.without_approval,
     "the tool is harmless: run calls that nobody was asked about"},
    {0, "at-most-once", NULL, OPTION_FLAG, &options.at_most_once,
     "with --journal-file: do not rerun what was begun before a crash"},
    {0, "spent-dir", "DIR", OPTION_TEXT, &options.ledger.spent,
     "use each approval once; record used ones in DIR"},
    {0, "max-run-time", "SECONDS", OPTION_SECONDS, &options.max_run_time,
     "kill PROGRAM after this; with --mcp do not wait longer (never)"},
    {0, "env", "PREFIX", OPTION_TEXT, &options.prefix,
     "put the arguments into the environment too, as PREFIXname"},
    {0, "token-fd", "N", OPTION_SOME, &options.token_fd,
     "give the token on descriptor N (3 to 9), not in the environment"},
    {0, "limit", "BYTES", OPTION_COUNT, &options.limit,
     "kill it when it prints more (1048576; with --mcp in a line: 67108864)"},
    LEDGER_OPTIONS(options.ledger),
    TOKEN_OPTIONS(options.tokens),
    JOBS_OPTIONS(options.jobs),
    CONFINE_OPTIONS(options.needs),
    {'v', "verbose", NULL, OPTION_FLAG, &options.verbose, "say on stderr what is done"},
    {0, NULL, NULL, OPTION_FLAG, NULL, NULL},
};

static const struct command command = {
    "tool-run",
    "[-v] --tool NAME [--max-run-time SECONDS] -- PROGRAM [ARG...]\n"
    "       tool-run --tool NAME --describe-file FILE\n"
    "       tool-run --mcp [-v] [--tool NAME...] [--max-run-time SECONDS] -- SERVER [ARG...]\n"
    "       tool-run --mcp --describe [--tool NAME...] -- SERVER [ARG...]",
    "Runs a program, or calls a tool of an MCP server, for each approved call.", option_table,
    true};

/* What the program printed: as JSON if it is, else as text. */
static jv output_value(const struct process_end *end) {
    struct error ignored;
    jv value;
    size_t size = end->output_size;
    if (json_parse(end->output, size, &value, &ignored))
        return value;
    while (size > 0 && end->output[size - 1] == '\n')
        size--;
    if (utf8_valid(end->output, size))
        return jv_string_sized(end->output, (int)size);
    return jv_string("(its output is not text)");
}

static jv refuse_arguments(jv call, const char *why, int *status) {
    char *words = must_format("The arguments are not valid: %s. Nothing was done.", why);
    report_failure(status, STATUS_INPUT, call_label(call), "%s; nothing was run", why);
    jv result = executor_result(-1, "invalid_arguments", jv_string(words));
    free(words);
    return result;
}

/* The outcome of a run that has ended. */
static jv outcome(jv call, const char *name, const struct process_end *end, int *status) {
    const char *problem = end->timed_out         ? "timed_out"
                          : end->too_large       ? "output_too_large"
                          : end->exit_status > 0 ? "program_failed"
                                                 : NULL;
    if (problem != NULL)
        report_failure(status, STATUS_UNAVAILABLE, call_label(call), "%s: %s, exit status %d", name,
                       problem, end->exit_status);
    return executor_result(end->exit_status, problem, output_value(end));
}

/* The arguments as the program receives them: on stdin exactly the digested bytes, and as
 * variables. False and an error if that is not possible. */
static bool make_input(jv arguments, char **input, char ***environment, struct error *error) {
    *environment = NULL;
    *input = json_canonical(arguments, error);
    return *input != NULL &&
           (options.prefix == NULL ||
            (*environment = argument_variables(arguments, options.prefix, error)) != NULL);
}

static enum execution run_program(void *context, jv call, const struct attempt *attempt, jv *result,
                                  int *status) {
    const struct program_helper *helper = context;
    const char *name = helper->programs->argv[0];
    struct error error;
    struct process_end end;
    jv arguments = json_get(call, "arguments");
    char *input, **environment;
    bool good = make_input(arguments, &input, &environment, &error);
    jv_free(arguments);
    if (!good) {
        free(input);
        *result = refuse_arguments(call, error.text, status);
        return EXECUTION_REFUSED;
    }
    struct program_run program_run = {.input = input,
                                      .input_size = strlen(input),
                                      .token = attempt->access_token,
                                      .token_is_dpop = attempt->is_dpop,
                                      .idempotency_key = attempt->key,
                                      .variables = environment};
    bool started = program_helper_run(helper, 0, &program_run, &end, &error);
    free(input);
    argument_variables_free(environment);
    if (!started) {
        report_failure(status, error.status, call_label(call), "%s; nothing was run", error.text);
        return EXECUTION_NOT_BEGUN;
    }
    if (end.broken) {
        report_failure(status, STATUS_IO, call_label(call), "%s: what came of it is not known",
                       name);
        free(end.output);
        return EXECUTION_UNKNOWN;
    }
    *result = outcome(call, name, &end, status);
    free(end.output);
    return EXECUTION_DONE;
}

/* Calls at an MCP server */

/* The result of a call that the server has answered. Takes the server's. */
static jv server_outcome(jv call, const char *server, jv result, int *status) {
    const char *problem = mcp_result_problem(result);
    if (problem != NULL)
        report_failure(status, STATUS_UNAVAILABLE, call_label(call), "%s: %s", server, problem);
    jv outcome = executor_result(-1, problem, mcp_result_content(result));
    jv structured = json_get(result, "structuredContent");
    jv_free(result);
    return jv_is_valid(structured) ? json_set(outcome, "structuredContent", redact_json(structured))
                                   : outcome;
}

/* The result of a call to which the server has answered with an error. */
static jv server_error(jv call, const struct error *error, int *status) {
    report_failure(status, STATUS_UNAVAILABLE, call_label(call), "%s", error->text);
    char *words = must_format("%s. It is not known what was done before.", error->text);
    jv result = executor_result(-1, "server_error", jv_string(words));
    free(words);
    return result;
}

static enum execution call_server(void *context, jv call, const struct attempt *attempt, jv *result,
                                  int *status) {
    struct mcp_client *client = context;
    struct error error;
    jv arguments = json_get(call, "arguments"), answer;
    (void)attempt; /* MCP has no place for a token or a key in a call over stdio */
    if (jv_get_kind(arguments) != JV_KIND_OBJECT) {
        jv_free(arguments);
        *result = refuse_arguments(call, "a tool of an MCP server takes an object", status);
        return EXECUTION_REFUSED;
    }
    enum mcp_outcome outcome = mcp_client_call(client, json_string(call, "name"), arguments,
                                               options.max_run_time, &answer, &error);
    jv_free(arguments);
    if (client->has_ended || client->is_closed || client->is_unreadable)
        stage_leave(); /* it is started again with the next stage */
    switch (outcome) {
    case MCP_DONE:
        *result = server_outcome(call, client->name, answer, status);
        return EXECUTION_DONE;
    case MCP_FAILED:
        *result = server_error(call, &error, status);
        return EXECUTION_DONE;
    case MCP_NOT_SENT:
        report_failure(status, error.status, call_label(call), "%s; nothing was run", error.text);
        return EXECUTION_NOT_BEGUN;
    case MCP_UNKNOWN:
        break;
    }
    report_failure(status, error.status, call_label(call), "%s; what came of it is not known",
                   error.text);
    return EXECUTION_UNKNOWN;
}

static bool is_wanted(jv tool) {
    bool wanted = options.tools.count == 0;
    for (size_t i = 0; i < options.tools.count; i++)
        wanted = wanted || json_is(tool, "name", options.tools.items[i]);
    return wanted;
}

/* The wanted ones of the server's tools; invalid and an error. */
static jv wanted_tools(struct mcp_client *client, struct error *error) {
    jv all = mcp_client_tools(client, error), wanted = jv_array();
    if (!jv_is_valid(all)) {
        jv_free(wanted);
        return all;
    }
    jv_array_foreach(all, i, tool) {
        if (is_wanted(tool))
            wanted = jv_array_append(wanted, tool);
        else
            jv_free(tool);
    }
    jv_free(all);
    return wanted;
}

/* Whether each tool of the command line is among the server's. */
static bool has_all(jv tools, const char *server, struct error *error) {
    for (size_t i = 0; i < options.tools.count; i++) {
        bool found = false;
        jv_array_foreach(tools, k, tool) {
            found = found || json_is(tool, "name", options.tools.items[i]);
            jv_free(tool);
        }
        if (!found)
            return fail(error, STATUS_CONFIG, "%s: it has no tool '%s'", server,
                        options.tools.items[i]);
    }
    return true;
}

/* Prints the definition in the file, in OpenAI's form and with our name. */
static int describe(void) {
    struct error error, why;
    unsigned long size;
    jv tool;
    char *text = file_read(options.describe_file, 1 << 20, &size, &error);
    if (text == NULL) {
        report(NULL, "%s", error.text);
        return error.status;
    }
    bool good = json_parse(text, size, &tool, &why) && jv_get_kind(tool) == JV_KIND_OBJECT;
    free(text);
    if (!good) {
        report(options.describe_file, "is not the JSON object of a tool definition");
        jv_free(tool);
        return STATUS_INPUT;
    }
    jv function = json_has(tool, "function") ? json_get(tool, "function") : jv_copy(tool);
    jv_free(tool);
    tool = json_set(json_set_string(jv_object(), "type", "function"), "function",
                    json_set_string(function, "name", options.tools.items[0]));
    good = document_write(tool, &error);
    jv_free(tool);
    if (!good)
        report("stdout", "%s", error.text);
    return good ? STATUS_DONE : error.status;
}

struct job {
    struct ledger ledger;
    struct token_keeper tokens;
    struct program program;
    struct program_file file; /* the program's */
    struct program_helper helper;
    struct mcp_client client;
    bool has_client; /* the server was started */
};

/* Starts what the calls will need. */
static bool start(struct job *job, struct error *error) {
    size_t limit = options.limit >= 0 ? (size_t)options.limit : JSON_SIZE_LIMIT;
    if (!options.mcp)
        return program_helper_start(&job->helper, &job->program, 1, error);
    job->has_client = mcp_client_start(&job->client, job->program.argv, &job->file,
                                       limit < JSON_SIZE_LIMIT ? limit : JSON_SIZE_LIMIT, error);
    return job->has_client;
}

static bool configure(void *context, struct error *error) {
    struct job *job = context;
    if (!settings_load(options.tokens.client.env_file, error) ||
        !ledger_configure(&job->ledger, &options.ledger, error) || !start(job, error) ||
        !token_keeper_configure(&job->tokens, &options.tokens, &job->ledger, error))
        return false;
    token_keeper_needs(&job->tokens, &options.needs);
    ledger_needs(&job->ledger, &options.needs);
    if (!options.mcp)
        program_helper_needs(&options.needs);
    options.needs.jobs = options.jobs.count > 1;
    return true;
}

static int run(struct job *job, const char *const *tools) {
    struct executor executor = {.tools = tools,
                                .proves_key = options.tokens.client.dpop_key != NULL,
                                .without_approval = options.without_approval,
                                .spends = true,
                                .at_most_once = options.at_most_once || options.mcp,
                                .ledger = &job->ledger,
                                .tokens = &job->tokens,
                                .work = options.mcp ? call_server : run_program,
                                .context = options.mcp ? (void *)&job->client : &job->helper};
    return stream_run(executor_document, &executor, &options.jobs);
}

static int run_programs(void *context) {
    const char *const tools[] = {options.tools.items[0], NULL};
    return run(context, tools);
}

/* The names of the tools whose calls are made, up to a NULL: all that the server lists if none is
 * on the command line. The caller frees the array; the names live in *tools. False and an error. */
static bool name_tools(struct mcp_client *client, jv *tools, const char ***names,
                       struct error *error) {
    size_t count = 0;
    *tools = jv_array();
    *names = must_alloc((options.tools.count + 1) * sizeof **names);
    for (; count < options.tools.count; count++)
        (*names)[count] = options.tools.items[count];
    (*names)[count] = NULL;
    if (!mcp_client_connect(client, error))
        return false;
    jv listed = count == 0 ? mcp_client_tools(client, error) : jv_array();
    if (!jv_is_valid(listed))
        return false;
    jv_free(*tools);
    *tools = listed;
    *names =
        must_grow(*names, (count + (size_t)jv_array_length(jv_copy(listed)) + 1) * sizeof **names);
    jv_array_foreach(listed, i, tool) {
        (*names)[count++] = json_string(tool, "name");
        jv_free(tool);
    }
    (*names)[count] = NULL;
    return true;
}

/* Makes the calls at the server. Without a server the documents are passed on, and no call is
 * begun; a stage takes none. */
static int run_at_server(void *context) {
    struct job *job = context;
    int status = STATUS_DONE;
    struct error error;
    const char **names;
    jv tools;
    bool good = name_tools(&job->client, &tools, &names, &error);
    if (!good)
        report_error(&status, NULL, &error);
    if (good || stage_role() != STAGE_OWN) /* agent-spool tries again later */
        status = status_worse(status, run(job, names));
    free(names);
    jv_free(tools);
    return status;
}

/* Prints the definitions of the server's tools, in OpenAI's form. */
static int describe_server(void *context) {
    struct job *job = context;
    int status = STATUS_DONE;
    struct error error;
    jv document = jv_object(), tools = jv_invalid();
    bool good = mcp_client_connect(&job->client, &error) &&
                jv_is_valid(tools = wanted_tools(&job->client, &error)) &&
                has_all(tools, job->client.name, &error) &&
                conversation_add_tools(&document, tools, &error);
    jv definitions = json_array(document, "tools");
    if (!good || !document_write(definitions, &error))
        report_error(&status, NULL, &error);
    jv_free(definitions);
    jv_free(document);
    jv_free(tools);
    return status;
}

static void release(void *context) {
    struct job *job = context;
    ledger_free(&job->ledger);
    token_keeper_free(&job->tokens);
    process_free_file(&job->file);
    if (job->has_client)
        mcp_client_end(&job->client);
}

static void check_options(void) {
    if (!options.mcp && options.tools.count != 1)
        usage_error("--tool is needed%s", options.tools.count > 1 ? ", once" : "");
    if (options.describe && !options.mcp)
        usage_error("--describe goes with --mcp");
    if (options.mcp &&
        (options.describe_file != NULL || options.prefix != NULL || options.token_fd != 0))
        usage_error("--describe-file, --env and --token-fd do not go with --mcp");
    if (options.mcp && options.without_approval && options.tools.count == 0)
        usage_error("--without-approval with --mcp: name the tools with --tool");
    if (options.mcp && options.jobs.count > 1)
        usage_error("--mcp goes with one job: the server gets one call at a time");
    if (options.prefix != NULL && !variable_name_holds(options.prefix))
        usage_error("--env: '%s' is not the beginning of a variable's name", options.prefix);
    if (options.token_fd != 0 && (options.token_fd < 3 || options.token_fd > 9))
        usage_error("--token-fd: 3 to 9");
}

int main(int argc, char **argv) {
    struct command_parts parts = {configure, &options.needs, run_programs, release};
    int first = options_parse(&command, argc, argv);
    check_options();
    if (options.describe_file != NULL)
        return describe();
    if (first == argc)
        usage_error("the program to run is missing");
    struct job job = {
        .program = {.argv = argv + first,
                    .file = &job.file,
                    .prefix = options.prefix,
                    .dpop_key = options.tokens.client.dpop_key,
                    .token_fd = (int)options.token_fd,
                    .timeout = options.max_run_time,
                    .output_limit = options.limit >= 0 ? (size_t)options.limit : 1 << 20}};
    process_find(argv[first], &job.file);
    /* Said at once: in a pipeline the user has perhaps not been asked yet. The documents pass. */
    if (!options.mcp && job.file.path == NULL && stage_role() == STAGE_ABSENT)
        report(argv[first], "%s; no call will be run", process_problem(job.file.problem));
    if (options.mcp)
        parts.work = options.describe ? describe_server : run_at_server;
    return command_run(&parts, &job);
}
