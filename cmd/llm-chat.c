/* llm-chat: one turn of a conversation with a model; its tool calls become calls to be approved. */
#include "base/utf8.h"
#include "cli/options.h"
#include "cli/run.h"
#include "document/call.h"
#include "document/reader.h"
#include "document/stream.h"
#include "model/chat.h"
#include "model/chat_rounds.h"
#include "model/conversation.h"
#include "model/definition_files.h"
#include "system/confine.h"
#include "system/settings.h"
#include "system/stage_socket.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SYSTEM_LIMIT = 16 << 20, LONGEST_ANSWER = 600 /* default seconds for one request */ };

static struct {
    bool null_input, raw_input, raw_output, stream, no_parallel_calls, verbose;
    const char *api, *model, *system, *base_url, *api_key_file, *env_file, *tool_choice,
        *schema_file;
    struct option_list tools_files;
    long max_tokens, max_usage, retries;
    struct chat_limits limits;
    struct stream_jobs jobs;
    struct http_settings http;
    struct confinement needs;
} options = {.retries = 5, .limits = {.repairs = 1}};

static const struct option_spec option_table[] = {
    {'n', "null-input", NULL, OPTION_FLAG, &options.null_input,
     "start a new document; do not read stdin"},
    {'R', "raw-input", NULL, OPTION_FLAG, &options.raw_input,
     "start a new document; stdin is text, part of the prompt"},
    {'r', "raw-output", NULL, OPTION_FLAG, &options.raw_output,
     "print the model's text, not the document"},
    {'M', "model", "MODEL", OPTION_TEXT, &options.model, "the model to ask"},
    {'t', "tools-file", "FILE", OPTION_LIST, &options.tools_files,
     "tool definitions, JSON; may be repeated"},
    {'S', "system", "TEXT", OPTION_TEXT, &options.system,
     "the system message of a new document; @FILE reads it"},
    {0, "schema-file", "FILE", OPTION_TEXT, &options.schema_file,
     "require an answer in JSON that fits this schema"},
    {0, "tool-choice", "WHICH", OPTION_TEXT, &options.tool_choice,
     "auto, none, required, or the name of a tool"},
    {0, "no-parallel-calls", NULL, OPTION_FLAG, &options.no_parallel_calls,
     "at most one tool call"},
    {0, "repair", "N", OPTION_COUNT, &options.limits.repairs,
     "tell the model at most N times what is wrong (1)"},
    {0, "max-tokens", "N", OPTION_COUNT, &options.max_tokens, "limit the answer to N tokens"},
    {0, "max-usage", "N", OPTION_COUNT, &options.max_usage,
     "stop asking once the document has used N tokens"},
    {0, "stream", NULL, OPTION_FLAG, &options.stream, "request the answer as a stream"},
    {0, "retries", "N", OPTION_COUNT, &options.retries,
     "retry a busy or unreachable server at most N times (5)"},
    {0, "max-total-time", "SECONDS", OPTION_SECONDS, &options.limits.max_time,
     "limit for all requests of a document together"},
    {0, "api", "NAME", OPTION_TEXT, &options.api,
     "openai (default), azure, anthropic or responses"},
    {0, "base-url", "URL", OPTION_TEXT, &options.base_url, "the server (OPENAI_BASE_URL)"},
    {0, "api-key-file", "FILE", OPTION_SECRET, &options.api_key_file, "read the API key from FILE"},
    {'e', "env-file", "FILE", OPTION_TEXT, &options.env_file, "read settings from FILE too"},
    JOBS_OPTIONS(options.jobs),
    HTTP_OPTIONS(options.http),
    CONFINE_OPTIONS(options.needs),
    {'v', "verbose", NULL, OPTION_FLAG, &options.verbose, "say on stderr what is done"},
    {0, NULL, NULL, OPTION_FLAG, NULL, NULL},
};

static const struct command command = {
    "llm-chat", "[-nRrv] [-M MODEL] [-t FILE]... [-S SYSTEM] [--api NAME] [-e FILE] [PROMPT]",
    "Asks a model, and turns its tool calls into calls that need approval.", option_table, false};

struct job {
    struct http *http;
    struct chat_settings settings;
    const char *prompt;
    char *system;
    jv tools;    /* an array as from tool_files_read */
    jv schema;   /* invalid without --schema-file */
    bool began;  /* on a document; not known of those that workers have */
    bool shown;  /* text of the answer has been printed as it came */
    bool inside; /* a line of it is not ended */
};

/* Prints streamed text of the answer; on a terminal without characters that control it. */
static void show(void *context, const char *text, size_t size) {
    struct job *job = context;
    struct error ignored;
    char *copy = must_format("%.*s", (int)size, text);
    if (isatty(STDOUT_FILENO))
        utf8_make_plain_text(copy);
    job->shown = true;
    job->inside = copy[strlen(copy) - 1] != '\n';
    output_write(copy, strlen(copy), &ignored);
    free(copy);
}

static bool configure_model(struct job *job, struct error *error) {
    struct chat_settings *settings = &job->settings;
    if (!settings_load(options.env_file, error) ||
        !chat_configure(settings, options.api, options.base_url, options.api_key_file, error))
        return false;
    bool streams_out = options.raw_output && options.jobs.count <= 1 && options.schema_file == NULL;
    settings->model = options.model;
    settings->retries = options.retries;
    settings->max_usage = options.max_usage;
    settings->wishes.tool_choice = options.tool_choice;
    settings->wishes.no_parallel_calls = options.no_parallel_calls;
    settings->wishes.max_tokens = options.max_tokens;
    settings->wishes.stream = options.stream || (streams_out && isatty(STDOUT_FILENO));
    settings->show = settings->wishes.stream && streams_out ? show : NULL;
    settings->context = job;
    if (options.http.max_time == 0)
        options.http.max_time = LONGEST_ANSWER;
    settings->max_time = options.http.max_time;
    job->http = http_new(&options.http, settings_get(NULL, "SSL_CERT_FILE", NULL),
                         settings_get(NULL, "SSL_CERT_DIR", NULL));
    return true;
}

/* Reads -S TEXT, or -S @FILE. */
static bool read_system(struct job *job, struct error *error) {
    if (options.system == NULL)
        return true;
    job->system = options.system[0] == '@'
                      ? file_read(options.system + 1, SYSTEM_LIMIT, NULL, error)
                      : must_copy(options.system);
    return job->system != NULL &&
           (utf8_valid(job->system, strlen(job->system)) ||
            fail(error, STATUS_INPUT, "-S: the system message is not UTF-8"));
}

static bool read_schema(struct job *job, struct error *error) {
    if (options.schema_file == NULL)
        return true;
    bool good = schema_file_read(options.schema_file, &job->schema, error);
    job->settings.wishes.schema = job->schema;
    return good;
}

static bool configure(void *context, struct error *error) {
    struct job *job = context;
    if (!configure_model(job, error) ||
        !tool_files_read(&options.tools_files, &job->tools, error) || !read_schema(job, error) ||
        !read_system(job, error))
        return false;
    http_needs(job->http, &options.needs);
    options.needs.jobs = options.jobs.count > 1;
    return true;
}

/* Says which call has no result, of which tool, and what it waits for. */
static void report_unfinished(jv document, const char *id, int *status) {
    const char *why = "no command has executed it";
    jv calls = json_array(document, "calls"), found = jv_object();
    jv_array_foreach(calls, i, call) {
        if (json_is(call, "id", id)) {
            jv_free(found);
            found = jv_copy(call);
        }
        jv_free(call);
    }
    const char *name = json_string(found, "name");
    enum call_state state = call_state(found);
    if (state == CALL_PENDING)
        why = "the user has not decided";
    else if (state == CALL_APPROVED)
        why = "it is approved, but no command has executed it; is the one for its tool missing, or "
              "the tool's name mistyped there?";
    report_failure(status, STATUS_NOT_YET, name != NULL ? name : id,
                   "has no result yet, so there is no answer to print: %s", why);
    jv_free(found);
    jv_free(calls);
}

/* With -r prints the text instead of the document. Takes the document. */
static jv print_text(struct job *job, jv document, int *status) {
    struct error error;
    const char *unfinished = conversation_unfinished_call(document);
    char *text = conversation_text(document), *line = NULL;
    if (job->inside)
        line = must_copy("\n");
    else if (unfinished == NULL && text != NULL && !job->shown)
        line = must_format("%s\n", text);
    if (unfinished != NULL)
        report_unfinished(document, unfinished, status);
    if (line != NULL && isatty(STDOUT_FILENO))
        utf8_make_plain_text(line);
    if (line != NULL && !output_write(line, strlen(line), &error))
        report_error(status, "stdout", &error);
    job->shown = job->inside = false;
    free(line);
    free(text);
    jv_free(document);
    return jv_invalid();
}

static jv chat(void *context, jv document, int *status) {
    struct job *job = context;
    job->began = true;
    document = tool_files_add(job->tools, document);
    document = conversation_fold_results(document);
    if (job->prompt != NULL && conversation_unfinished_call(document) == NULL)
        document = conversation_add_message(document, "user", job->prompt);
    document = chat_rounds(job->http, &job->settings, &options.limits, document, status);
    return options.raw_output ? print_text(job, document, status) : document;
}

static jv new_document(const struct job *job) {
    jv document = jv_object();
    return job->system != NULL ? conversation_add_message(document, "system", job->system)
                               : document;
}

/* With -R the prompt is the operand, if any, and stdin. */
static bool read_prompt(struct job *job, struct error *error) {
    unsigned long size;
    if (!options.raw_input)
        return true;
    char *text = file_read_descriptor(STDIN_FILENO, "stdin", JSON_SIZE_LIMIT, &size, error);
    if (text == NULL)
        return false;
    if (strlen(text) != size || !utf8_valid(text, size)) {
        free(text);
        return fail(error, STATUS_INPUT, "stdin: is not UTF-8 text");
    }
    job->prompt = settings_keep(job->prompt != NULL ? must_format("%s\n\n%s", job->prompt, text)
                                                    : must_copy(text));
    free(text);
    return *job->prompt != '\0' || fail(error, STATUS_INPUT, "stdin: is empty");
}

static int answer(void *context) {
    struct job *job = context;
    struct error error;
    int status = STATUS_DONE;
    if (!read_prompt(job, &error))
        report_error(&status, NULL, &error);
    else if (options.null_input || options.raw_input)
        status = stream_run_one(chat, job, new_document(job));
    else
        status = stream_run(chat, job, &options.jobs);
    bool from_stdin = stage_role() != STAGE_OWN;
    if (from_stdin && status == STATUS_DONE && job->prompt != NULL && !job->began &&
        options.jobs.count <= 1)
        report_failure(&status, STATUS_INPUT, NULL,
                       "nothing was asked: stdin has no document; -n starts one with the prompt");
    return status;
}

static void release(void *context) {
    struct job *job = context;
    jv_free(job->tools);
    jv_free(job->schema);
    free(job->system);
    free(options.tools_files.items);
    http_free(job->http);
}

int main(int argc, char **argv) {
    static const struct command_parts parts = {configure, &options.needs, answer, release};
    struct job job = {
        .tools = jv_invalid(),
        .schema = jv_invalid(),
        .settings = {
            .wishes = {.schema = jv_invalid(), .members = jv_invalid(), .temperature = -1}}};
    int first = options_parse(&command, argc, argv);
    if (argc - first > 1)
        usage_error("one PROMPT is taken; quote it");
    job.prompt = argv[first];
    if (options.null_input && job.prompt == NULL)
        usage_error("-n needs a PROMPT");
    return command_run(&parts, &job);
}
