/* llm-chat: one turn of a conversation with a model; its tool calls become calls to be approved. */
#include "cli/options.h"
#include "cli/run.h"
#include "document/answer.h"
#include "document/reader.h"
#include "document/stream.h"
#include "model/chat.h"
#include "model/chat_rounds.h"
#include "model/conversation.h"
#include "model/definition_files.h"
#include "model/model_list.h"
#include "model/request_options.h"
#include "system/confine.h"
#include "system/settings.h"
#include "system/stage_socket.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LONGEST_ANSWER = 600 /* default seconds for one request */ };

static struct {
    bool null_input, raw_input, raw_output, models, stream, no_parallel_calls, verbose;
    const char *api, *model, *system, *base_url, *api_key_file, *env_file, *tool_choice,
        *schema_file;
    struct option_list tools_files;
    long max_usage, retries;
    struct request_options request;
    struct chat_limits limits;
    struct stream_jobs jobs;
    struct http_settings http;
    struct confinement needs;
} options = {.retries = 5, .request = {.temperature = -1}, .limits = {.repairs = 1}};

static const struct option_spec option_table[] = {
    {'n', "null-input", NULL, OPTION_FLAG, &options.null_input,
     "start a new document; do not read stdin"},
    {'R', "raw-input", NULL, OPTION_FLAG, &options.raw_input,
     "start a new document; stdin is text, part of the prompt"},
    {'r', "raw-output", NULL, OPTION_FLAG, &options.raw_output,
     "print the model's text, not the document"},
    {'M', "model", "MODEL", OPTION_TEXT, &options.model, "the model to ask"},
    {0, "models", NULL, OPTION_FLAG, &options.models, "list the server's models, newest first"},
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
    REQUEST_OPTIONS(options.request),
    {0, "max-usage", "N", OPTION_COUNT, &options.max_usage,
     "stop asking once the document has used N tokens"},
    {0, "stream", NULL, OPTION_FLAG, &options.stream, "request the answer as a stream"},
    {0, "retries", "N", OPTION_COUNT, &options.retries,
     "retry a busy or unreachable server at most N times (5)"},
    {0, "max-total-time", "SECONDS", OPTION_SECONDS, &options.limits.max_time,
     "limit for all requests of a document together"},
    {0, "api", "NAME", OPTION_TEXT, &options.api,
     "auto (default), openai, azure, anthropic or responses"},
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
    "llm-chat", "[-nRrv] [-M MODEL] [-t FILE]... [-S SYSTEM] [-o NAME=VALUE]... [-e FILE] [PROMPT]",
    "Asks a model, and turns its tool calls into calls that need approval.", option_table, false};

struct job {
    struct http *http;
    struct chat_settings settings;
    const char *prompt;
    char *system;
    jv tools;      /* an array as from tool_files_read */
    jv schema;     /* invalid without --schema-file */
    jv request;    /* of the document that is worked on: the wishes are in it */
    bool began;    /* on a document; not known of those that workers have */
    bool explains; /* a person asks at a terminal, without -n and -r */
    struct answer answer;
};

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
    settings->wishes.stream = options.stream || (streams_out && isatty(STDOUT_FILENO));
    settings->show = settings->wishes.stream && streams_out ? answer_show : NULL;
    settings->context = &job->answer;
    if (options.http.max_time == 0)
        options.http.max_time = LONGEST_ANSWER;
    settings->max_time = options.http.max_time;
    job->http = http_new(&options.http, settings_get(NULL, "SSL_CERT_FILE", NULL),
                         settings_get(NULL, "SSL_CERT_DIR", NULL));
    return true;
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
    if (!configure_model(job, error) || !request_options_hold(&options.request, error) ||
        !tool_files_read(&options.tools_files, &job->tools, error) || !read_schema(job, error) ||
        !system_text_read(options.system, &job->system, error))
        return false;
    http_needs(job->http, &options.needs);
    options.needs.jobs = options.jobs.count > 1;
    return true;
}

/* Settles what is asked, and of which model. False if there is an error, which is reported. */
static bool prepare(struct job *job, jv *document, int *status) {
    struct error error;
    struct chat_settings *settings = &job->settings;
    jv_free(job->request);
    bool good = request_options_merge(&options.request,
                                      settings->api->is_auto ? "openai" : settings->api->name,
                                      document, &job->request, &settings->wishes, &error) &&
                model_list_choose(job->http, settings, *document, &error);
    if (!good)
        report_error(status, "model", &error);
    return good;
}

static jv chat(void *context, jv document, int *status) {
    struct job *job = context;
    job->began = true;
    document = tool_files_add(job->tools, document);
    document = conversation_fold_results(document);
    if (job->prompt != NULL && conversation_unfinished_call(document) == NULL)
        document = conversation_add_message(document, "user", job->prompt);
    if (conversation_is_models_turn(document) && prepare(job, &document, status))
        document = chat_rounds(job->http, &job->settings, &options.limits, document, status);
    if (!options.raw_output)
        return document;
    answer_print(&job->answer, document, job->explains, status);
    jv_free(document);
    return jv_invalid();
}

static jv new_document(const struct job *job) {
    jv document = jv_object();
    return job->system != NULL ? conversation_add_message(document, "system", job->system)
                               : document;
}

/* Prints what the server has. */
static int list_models(struct job *job) {
    struct error error;
    int status = STATUS_DONE;
    jv models;
    bool good = model_list_read(job->http, &job->settings, &models, &error);
    char *text = good ? model_list_text(models, options.verbose) : NULL;
    if (!good)
        report_error(&status, "models", &error);
    else if (!output_write(text, strlen(text), &error))
        report_error(&status, "stdout", &error);
    jv_free(models);
    free(text);
    return status;
}

static int answer(void *context) {
    struct job *job = context;
    struct error error;
    int status = STATUS_DONE;
    if (options.models)
        return list_models(job);
    if (options.raw_input && !raw_prompt_read(&job->prompt, &error))
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
    jv_free(job->request);
    free(job->system);
    free(options.tools_files.items);
    http_free(job->http);
}

/* At a terminal a prompt alone is a question, and its answer is in words. */
static void heed_terminal(struct job *job) {
    if (options.null_input || options.raw_input || options.models || stage_role() == STAGE_OWN ||
        !isatty(STDIN_FILENO))
        return;
    if (job->prompt == NULL)
        usage_error("a PROMPT is needed, or a document from a pipe or a file");
    options.null_input = true;
    job->explains = !options.raw_output && isatty(STDOUT_FILENO);
    options.raw_output = options.raw_output || job->explains;
}

int main(int argc, char **argv) {
    static const struct command_parts parts = {configure, &options.needs, answer, release};
    struct job job = {.tools = jv_invalid(),
                      .schema = jv_invalid(),
                      .request = jv_invalid(),
                      .settings = {.wishes = REQUEST_NO_WISHES}};
    int first = options_parse(&command, argc, argv);
    if (argc - first > 1)
        usage_error("one PROMPT is taken; quote it");
    job.prompt = argv[first];
    if (options.null_input && job.prompt == NULL)
        usage_error("-n needs a PROMPT");
    if (options.models && job.prompt != NULL)
        usage_error("--models takes no PROMPT");
    heed_terminal(&job);
    return command_run(&parts, &job);
}
