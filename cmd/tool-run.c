/* tool-run: makes any program a tool: runs it for each approved call of its name. */
#include "approval.h"
#include "call.h"
#include "config.h"
#include "confine.h"
#include "documents.h"
#include "executor.h"
#include "filter.h"
#include "json.h"
#include "options.h"
#include "runner.h"
#include "utf8.h"

#include <stdlib.h>
#include <string.h>

static struct {
    bool verbose, without_approval, at_most_once;
    const char *name, *describe_from, *dpop_key, *prefix;
    double timeout;
    long limit, token_fd;
    struct record_settings record;
    struct filter_jobs jobs;
    struct confinement needs;
} given = {.limit = 1 << 20};

static const struct option_spec options[] = {
    {0, "name", "NAME", OPTION_TEXT, &given.name, "the tool's name"},
    {0, "describe-from", "FILE", OPTION_TEXT, &given.describe_from,
     "print the tool's definition in FILE"},
    {0, "without-approval", NULL, OPTION_FLAG, &given.without_approval,
     "the tool is harmless: run calls that nobody was asked about"},
    {0, "at-most-once", NULL, OPTION_FLAG, &given.at_most_once,
     "with --journal: after a crash, do not run what was begun again"},
    {0, "spent", "DIR", OPTION_TEXT, &given.record.spent,
     "use each approval once: keep those that are spent in DIR"},
    {0, "dpop-key", "FILE", OPTION_TEXT, &given.dpop_key,
     "take tokens bound to this key; PROGRAM proves it"},
    {0, "timeout", "SECONDS", OPTION_SECONDS, &given.timeout, "kill PROGRAM after this (never)"},
    {0, "env", "PREFIX", OPTION_TEXT, &given.prefix,
     "put the arguments into the environment too, as PREFIXname"},
    {0, "token-fd", "N", OPTION_COUNT, &given.token_fd,
     "give the token on descriptor N (3 to 9), not in the environment"},
    {0, "limit", "BYTES", OPTION_COUNT, &given.limit, "kill it beyond this output (1048576)"},
    RECORD_OPTIONS(given.record),
    JOBS_OPTIONS(given.jobs),
    CONFINE_OPTION(given.needs),
    {'v', "verbose", NULL, OPTION_FLAG, &given.verbose, "say on stderr what is done"},
    {0, NULL, NULL, OPTION_FLAG, NULL, NULL},
};

static const struct command command = {"tool-run",
                                       "[-v] --name NAME [--timeout SECONDS] -- PROGRAM [ARG...]\n"
                                       "       tool-run --name NAME --describe-from FILE",
                                       "Runs a program for each approved call.", options, true};

/* What the program printed: JSON where it is that, else text. Takes nothing. */
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

/* A name that is safe as a shell variable's. */
static bool is_name(const char *text) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
    size_t size = strlen(text);
    return size > 0 && strspn(text, letters) == size && !(text[0] >= '0' && text[0] <= '9');
}

/* PREFIXname=value for each argument: text as it is, anything else as JSON. A NULL is at the end;
 * freed by free_environment. NULL and an error if a name or a value cannot stand there. */
static char **make_environment(jv arguments, struct error *error) {
    char **entries =
        must_alloc(((size_t)jv_object_length(jv_copy(arguments)) + 1) * sizeof *entries);
    size_t count = 0;
    bool good = true;
    jv_object_foreach(arguments, key, value) {
        const char *name = json_value_string(key);
        jv shown = good ? json_shown(value, error) : jv_invalid();
        good = good && jv_is_valid(shown);
        const char *text = json_value_string(shown);
        if (good && (name == NULL || !is_name(name)))
            good = fail(error, STATUS_INPUT, "an argument's name cannot be a variable's");
        if (good && text == NULL)
            good = fail(error, STATUS_INPUT, "the argument %s has a NUL in it", name);
        if (good)
            entries[count++] = must_format("%s%s=%s", given.prefix, name, text);
        jv_free(key);
        jv_free(value);
        jv_free(shown);
    }
    if (good)
        return entries;
    while (count > 0)
        free(entries[--count]);
    free(entries);
    return NULL;
}

static void free_environment(char **entries) {
    for (char **entry = entries; entry != NULL && *entry != NULL; entry++)
        free(*entry);
    free(entries);
}

static jv refuse_arguments(jv call, const char *why, int *status) {
    char *words = must_format("The arguments are not valid: %s. Nothing was done.", why);
    complain(call_id(call), "%s; nothing was run", why);
    *status = status_worse(*status, STATUS_INPUT);
    jv result = executor_result(-1, "invalid_arguments", jv_string(words));
    free(words);
    return result;
}

/* What has come of a run that has ended. */
static jv outcome(jv call, const char *name, const struct process_end *end, int *status) {
    const char *problem = end->timed_out         ? "timed_out"
                          : end->too_large       ? "output_too_large"
                          : end->exit_status > 0 ? "program_failed"
                                                 : NULL;
    if (problem != NULL) {
        complain(call_id(call), "%s: %s, exit status %d", name, problem, end->exit_status);
        *status = status_worse(*status, STATUS_UNAVAILABLE);
    }
    return executor_result(end->exit_status, problem, output_value(end));
}

/* The arguments as the program gets them, to the byte what was digested, and as variables. False
 * and an error if they cannot be. */
static bool make_input(jv arguments, char **input, char ***environment, struct error *error) {
    *environment = NULL;
    *input = json_canonical(arguments, error);
    return *input != NULL &&
           (given.prefix == NULL || (*environment = make_environment(arguments, error)) != NULL);
}

static enum execution run(void *context, jv call, const struct attempt *attempt, jv *result,
                          int *status) {
    const struct runner *runner = context;
    const char *name = runner->programs->argv[0];
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
                                      .token_is_dpop = approval_is_dpop(call),
                                      .idempotency_key = attempt->key,
                                      .variables = environment};
    bool started = runner_run(runner, 0, &program_run, &end, &error);
    free(input);
    free_environment(environment);
    if (!started) {
        complain(call_id(call), "%s; nothing was run", error.text);
        *status = status_worse(*status, error.status);
        return EXECUTION_NOT_BEGUN;
    }
    if (end.broken) {
        complain(call_id(call), "%s: what came of it is not known", name);
        *status = status_worse(*status, STATUS_IO);
        free(end.output);
        return EXECUTION_UNKNOWN;
    }
    *result = outcome(call, name, &end, status);
    free(end.output);
    return EXECUTION_DONE;
}

/* The definition in the file, in OpenAI's form and under our name. */
static int describe(void) {
    struct error error, why;
    unsigned long size;
    jv tool;
    char *text = config_read_file(given.describe_from, 1 << 20, &size, &error);
    if (text == NULL) {
        complain(NULL, "%s", error.text);
        return error.status;
    }
    bool good = json_parse(text, size, &tool, &why) && jv_get_kind(tool) == JV_KIND_OBJECT;
    free(text);
    if (!good) {
        complain(given.describe_from, "is not the JSON object of a tool definition");
        jv_free(tool);
        return STATUS_INPUT;
    }
    jv function = json_has(tool, "function") ? json_get(tool, "function") : jv_copy(tool);
    jv_free(tool);
    tool = json_set(json_set_string(jv_object(), "type", "function"), "function",
                    json_set_string(function, "name", given.name));
    good = document_write(tool, &error);
    jv_free(tool);
    if (!good)
        complain("stdout", "%s", error.text);
    return good ? STATUS_DONE : error.status;
}

static bool configure(struct record *record, struct runner *runner, const struct program *program,
                      struct error *error) {
    if (!record_configure(record, &given.record, error) || !runner_start(runner, program, 1, error))
        return false;
    record_needs(record, &given.needs);
    runner_needs(&given.needs);
    given.needs.jobs = given.jobs.count > 1;
    return confine(&given.needs, error);
}

int main(int argc, char **argv) {
    int first = options_parse(&command, argc, argv);
    if (given.name == NULL)
        usage_error("--name is needed");
    if (given.prefix != NULL && !is_name(given.prefix))
        usage_error("--env: '%s' is not the beginning of a variable's name", given.prefix);
    if (given.token_fd != 0 && (given.token_fd < 3 || given.token_fd > 9))
        usage_error("--token-fd: 3 to 9");
    if (given.verbose)
        verbose_on();
    if (given.describe_from != NULL)
        return describe();
    if (first == argc)
        usage_error("the program to run is missing");
    struct record record;
    struct error error;
    struct runner runner;
    struct program program = {.argv = argv + first,
                              .prefix = given.prefix,
                              .dpop_key = given.dpop_key,
                              .token_fd = (int)given.token_fd,
                              .timeout = given.timeout,
                              .output_limit = (size_t)given.limit};
    struct executor executor = {.tool = given.name,
                                .proves_key = given.dpop_key != NULL,
                                .without_approval = given.without_approval,
                                .spends = true,
                                .at_most_once = given.at_most_once,
                                .record = &record,
                                .work = run,
                                .context = &runner};
    if (!configure(&record, &runner, &program, &error)) {
        complain(NULL, "%s", error.text);
        return error.status;
    }
    int status = filter_run(executor_document, &executor, &given.jobs);
    record_free(&record);
    return status;
}
