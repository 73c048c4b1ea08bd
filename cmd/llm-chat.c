/* llm-chat: one turn of a conversation with a model; its tool calls become calls to be approved. */
#include "chat.h"
#include "config.h"
#include "confine.h"
#include "conversation.h"
#include "documents.h"
#include "filter.h"
#include "json.h"
#include "options.h"
#include "schema.h"
#include "utf8.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILE_LIMIT = 16 << 20, LONGEST_ANSWER = 600 /* seconds for one request, by default */ };

static struct {
    bool null_input, raw_input, raw, stream, one_call, verbose;
    const char *api, *model, *system, *base_url, *key_file, *env_file, *tool_choice, *schema;
    struct option_list tools;
    long max_tokens, max_usage, retries, repair;
    double timeout;
    struct filter_jobs jobs;
    struct http_settings http;
    struct confinement needs;
} given = {.retries = 5, .repair = 1};

static const struct option_spec options[] = {
    {'n', "null-input", NULL, OPTION_FLAG, &given.null_input,
     "start a document; do not read stdin"},
    {'R', "raw-input", NULL, OPTION_FLAG, &given.raw_input,
     "start a document; stdin is text, part of the prompt"},
    {'r', "raw-output", NULL, OPTION_FLAG, &given.raw, "print the model's text, not the document"},
    {'m', "model", "MODEL", OPTION_TEXT, &given.model, "the model to ask"},
    {'t', "tools", "FILE", OPTION_LIST, &given.tools, "tool definitions, JSON; may be repeated"},
    {'S', "system", "TEXT", OPTION_TEXT, &given.system,
     "the system message of a new document; @FILE reads it"},
    {0, "schema", "FILE", OPTION_TEXT, &given.schema, "the answer is JSON as this schema says"},
    {0, "tool-choice", "WHICH", OPTION_TEXT, &given.tool_choice,
     "auto, none, required, or the tool to be called"},
    {0, "no-parallel", NULL, OPTION_FLAG, &given.one_call, "one tool call at a time"},
    {0, "repair", "N", OPTION_COUNT, &given.repair,
     "tell the model this often what is not valid (1)"},
    {0, "max-tokens", "N", OPTION_COUNT, &given.max_tokens, "limit of the answer, in tokens"},
    {0, "max-usage", "N", OPTION_COUNT, &given.max_usage,
     "ask no more when the document has used so many tokens"},
    {0, "stream", NULL, OPTION_FLAG, &given.stream, "have the answer come as a stream"},
    {0, "retries", "N", OPTION_COUNT, &given.retries,
     "try again this often when the server is busy or away (5)"},
    {0, "timeout", "SECONDS", OPTION_SECONDS, &given.timeout, "limit for all tries together"},
    {0, "api", "NAME", OPTION_TEXT, &given.api, "openai (default), azure, anthropic or responses"},
    {0, "base-url", "URL", OPTION_TEXT, &given.base_url, "the server (OPENAI_BASE_URL)"},
    {0, "api-key-file", "FILE", OPTION_TEXT, &given.key_file, "read the API key from FILE"},
    {'e', "env-file", "FILE", OPTION_TEXT, &given.env_file, "read settings from FILE too"},
    JOBS_OPTIONS(given.jobs),
    HTTP_OPTIONS(given.http),
    CONFINE_OPTION(given.needs),
    {'v', "verbose", NULL, OPTION_FLAG, &given.verbose, "say on stderr what is done"},
    {0, NULL, NULL, OPTION_FLAG, NULL, NULL},
};

static const struct command command = {
    "llm-chat", "[-nRrv] [-m MODEL] [-t FILE]... [-S SYSTEM] [--api NAME] [-e FILE] [PROMPT]",
    "Asks a model, and turns its tool calls into calls that need approval.", options, false};

struct job {
    struct http *http;
    struct chat_settings settings;
    const char *prompt;
    char *system;
    jv tools;    /* an array of what each -t file holds */
    jv schema;   /* invalid without --schema */
    bool shown;  /* text of the answer has been printed as it came */
    bool inside; /* a line of it is not ended */
};

/* Text of the answer as it comes; at a terminal without what could steer it. */
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

/* After everything that was named on the command line has been read. */
static bool drop_rights(const struct job *job, struct error *error) {
    http_needs(job->http, &given.needs);
    given.needs.jobs = given.jobs.count > 1;
    return confine(&given.needs, error);
}

static bool configure(struct job *job, struct error *error) {
    struct chat_settings *settings = &job->settings;
    if (!config_load(given.env_file, error) ||
        !chat_configure(settings, given.api, given.base_url, given.key_file, error))
        return false;
    bool streams_out = given.raw && given.jobs.count <= 1 && given.schema == NULL;
    settings->model = given.model;
    settings->retries = given.retries;
    settings->timeout = given.timeout;
    settings->max_usage = given.max_usage;
    settings->wishes.tool_choice = given.tool_choice;
    settings->wishes.one_call = given.one_call;
    settings->wishes.max_tokens = given.max_tokens;
    settings->wishes.stream = given.stream || (streams_out && isatty(STDOUT_FILENO));
    settings->show = settings->wishes.stream && streams_out ? show : NULL;
    settings->context = job;
    if (given.http.max_time == 0)
        given.http.max_time = LONGEST_ANSWER;
    job->http = http_new(&given.http, config_get(NULL, "SSL_CERT_FILE", NULL),
                         config_get(NULL, "SSL_CERT_DIR", NULL));
    return true;
}

/* The JSON value in a file. False and an error that names the file. */
static bool read_json(const char *path, jv *value, struct error *error) {
    struct error why;
    unsigned long size;
    *value = jv_invalid();
    char *text = config_read_file(path, FILE_LIMIT, &size, error);
    if (text == NULL)
        return false;
    bool good =
        json_parse(text, size, value, &why) || fail(error, STATUS_INPUT, "%s: %s", path, why.text);
    free(text);
    return good;
}

/* Says which keywords of the tools' schemas will not be checked. */
static void warn_of_unchecked(jv document) {
    jv tools = json_array(document, "tools");
    jv_array_foreach(tools, i, tool) {
        jv function = json_get(tool, "function"), schema = json_get(function, "parameters");
        const char *keyword = schema_unchecked(schema);
        if (keyword != NULL)
            complain(json_string(function, "name"),
                     "its schema uses %s, which is not checked in the model's arguments", keyword);
        jv_free(function);
        jv_free(schema);
        jv_free(tool);
    }
    jv_free(tools);
}

static bool read_tools(struct job *job, struct error *error) {
    job->tools = jv_array();
    for (size_t i = 0; i < given.tools.count; i++) {
        const char *path = given.tools.items[i];
        struct error why;
        jv definitions, trial = jv_object();
        bool good = read_json(path, &definitions, error);
        if (good && !conversation_add_tools(&trial, definitions, &why))
            good = fail(error, STATUS_INPUT, "%s: %s", path, why.text);
        warn_of_unchecked(trial);
        jv_free(trial);
        job->tools =
            good ? jv_array_append(job->tools, definitions) : (jv_free(definitions), job->tools);
        if (!good)
            return false;
    }
    return true;
}

static bool read_schema(struct job *job, struct error *error) {
    if (given.schema == NULL)
        return true;
    if (!read_json(given.schema, &job->schema, error))
        return false;
    if (jv_get_kind(job->schema) != JV_KIND_OBJECT)
        return fail(error, STATUS_INPUT, "%s: is not a JSON Schema", given.schema);
    const char *keyword = schema_unchecked(job->schema);
    if (keyword != NULL)
        complain(given.schema, "uses %s, which is not checked in the answer", keyword);
    job->settings.wishes.schema = job->schema;
    return true;
}

/* -S TEXT, or -S @FILE. */
static bool read_system(struct job *job, struct error *error) {
    if (given.system == NULL)
        return true;
    job->system = given.system[0] == '@'
                      ? config_read_file(given.system + 1, FILE_LIMIT, NULL, error)
                      : must_copy(given.system);
    return job->system != NULL &&
           (utf8_valid(job->system, strlen(job->system)) ||
            fail(error, STATUS_INPUT, "-S: the system message is not UTF-8"));
}

static jv add_tools(const struct job *job, jv document) {
    jv_array_foreach(job->tools, i, definitions) {
        struct error ignored; /* they were tried when they were read */
        conversation_add_tools(&document, definitions, &ignored);
        jv_free(definitions);
    }
    return document;
}

/* With -r: the text goes out, not the document. Takes the document. */
static jv print_text(struct job *job, jv document, int *status) {
    struct error error;
    const char *unfinished = conversation_unfinished_call(document);
    char *text = conversation_text(document), *line = NULL;
    if (job->inside)
        line = must_copy("\n");
    else if (unfinished == NULL && text != NULL && !job->shown)
        line = must_format("%s\n", text);
    if (unfinished != NULL) {
        complain(unfinished, "has no result yet, so there is no answer to print");
        *status = status_worse(*status, STATUS_NOT_YET);
    }
    if (line != NULL && isatty(STDOUT_FILENO))
        utf8_make_plain_text(line);
    if (line != NULL && !output_write(line, strlen(line), &error)) {
        complain("stdout", "%s", error.text);
        *status = status_worse(*status, error.status);
    }
    job->shown = job->inside = false;
    free(line);
    free(text);
    jv_free(document);
    return jv_invalid();
}

/* Whether the answer, if there is one in words, is as --schema has it. The caller frees *why, which
 * is what the model is told. */
static bool answer_fits(const struct job *job, jv document, char **why) {
    struct error error;
    char *text = conversation_text(document);
    jv value = jv_invalid();
    bool good = text == NULL || !jv_is_valid(job->schema) ||
                (json_parse(text, strlen(text), &value, &error) &&
                 schema_allows(job->schema, value, &error));
    *why = good ? NULL
                : must_format("That is not as the schema says: %s. Answer with the JSON "
                              "alone.",
                              error.text);
    jv_free(value);
    free(text);
    return good;
}

/* The model has been told what is not valid as often as it may be. */
static void give_up(const char *what, int *status) {
    complain("model", "%s still not valid after it was told why", what);
    *status = status_worse(*status, STATUS_PROTOCOL);
}

/* Asks until it is not the model's turn any more: again where what it said is not valid. */
static jv converse(struct job *job, jv document, int *status) {
    struct error error;
    for (long repairs = 0; conversation_is_models_turn(document); repairs++) {
        char *why;
        if (repairs > given.repair) {
            give_up("its tool calls are", status);
            break;
        }
        if (!chat_ask(job->http, &job->settings, &document, &error)) {
            complain("model", "%s", error.text);
            *status = status_worse(*status, error.status);
            break;
        }
        document = conversation_fold_results(document);
        if (!answer_fits(job, document, &why)) {
            if (repairs < given.repair)
                document = conversation_add_message(document, "user", why);
            else
                give_up("its answer is", status);
        }
        free(why);
    }
    return document;
}

static jv chat(void *context, jv document, int *status) {
    struct job *job = context;
    document = add_tools(job, document);
    document = conversation_fold_results(document);
    if (job->prompt != NULL && conversation_unfinished_call(document) == NULL)
        document = conversation_add_message(document, "user", job->prompt);
    document = converse(job, document, status);
    return given.raw ? print_text(job, document, status) : document;
}

static jv new_document(const struct job *job) {
    jv document = jv_object();
    return job->system != NULL ? conversation_add_message(document, "system", job->system)
                               : document;
}

/* With -R the prompt is the operand, if there is one, and stdin. */
static bool read_prompt(struct job *job, struct error *error) {
    unsigned long size;
    if (!given.raw_input)
        return true;
    char *text = config_read_descriptor(STDIN_FILENO, "stdin", JSON_SIZE_LIMIT, &size, error);
    if (text == NULL)
        return false;
    if (strlen(text) != size || !utf8_valid(text, size)) {
        free(text);
        return fail(error, STATUS_INPUT, "stdin: is not UTF-8 text");
    }
    job->prompt = config_keep(job->prompt != NULL ? must_format("%s\n\n%s", job->prompt, text)
                                                  : must_copy(text));
    free(text);
    return *job->prompt != '\0' || fail(error, STATUS_INPUT, "stdin: is empty");
}

int main(int argc, char **argv) {
    struct job job = {.tools = jv_invalid(),
                      .schema = jv_invalid(),
                      .settings = {.wishes = {.schema = jv_invalid()}}};
    struct error error;
    int first = options_parse(&command, argc, argv);
    if (argc - first > 1)
        usage_error("one PROMPT is taken; quote it");
    job.prompt = argv[first];
    if (given.null_input && job.prompt == NULL)
        usage_error("-n needs a PROMPT");
    if (given.verbose)
        verbose_on();
    int status = STATUS_DONE;
    if (configure(&job, &error) && read_tools(&job, &error) && read_schema(&job, &error) &&
        read_system(&job, &error) && drop_rights(&job, &error) && read_prompt(&job, &error)) {
        status = given.null_input || given.raw_input
                     ? filter_run_one(chat, &job, new_document(&job))
                     : filter_run(chat, &job, &given.jobs);
    } else {
        complain(NULL, "%s", error.text);
        status = error.status;
    }
    jv_free(job.tools);
    jv_free(job.schema);
    free(job.system);
    free(given.tools.items);
    http_free(job.http);
    return status;
}
