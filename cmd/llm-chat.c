/* llm-chat: one turn of a conversation with a model; its tool calls become calls to be approved. */
#include "chat.h"
#include "config.h"
#include "documents.h"
#include "filter.h"
#include "json.h"
#include "options.h"

#include <stdlib.h>
#include <string.h>

enum { TOOLS_FILE_LIMIT = 16 << 20, ASKS_PER_RUN = 2 /* the second repairs invalid calls */ };

static struct {
    bool null_input, raw, verbose;
    const char *model, *system, *base_url, *key_file, *env_file;
    struct option_list tools;
    long max_tokens;
    struct http_settings http;
} given;

static const struct option_spec options[] = {
    {'n', "null-input", NULL, OPTION_FLAG, &given.null_input,
     "start a document; do not read stdin"},
    {'r', "raw-output", NULL, OPTION_FLAG, &given.raw, "print the model's text, not the document"},
    {'m', "model", "MODEL", OPTION_TEXT, &given.model, "the model to ask"},
    {'t', "tools", "FILE", OPTION_LIST, &given.tools, "tool definitions, JSON; may be repeated"},
    {'S', "system", "TEXT", OPTION_TEXT, &given.system, "the system message of a new document"},
    {0, "max-tokens", "N", OPTION_COUNT, &given.max_tokens, "limit of the answer, in tokens"},
    {0, "base-url", "URL", OPTION_TEXT, &given.base_url, "the server (OPENAI_BASE_URL)"},
    {0, "api-key-file", "FILE", OPTION_TEXT, &given.key_file, "read the API key from FILE"},
    {'e', "env-file", "FILE", OPTION_TEXT, &given.env_file, "read settings from FILE too"},
    HTTP_OPTIONS(given.http),
    {'v', "verbose", NULL, OPTION_FLAG, &given.verbose, "say on stderr what is done"},
    {0, NULL, NULL, OPTION_FLAG, NULL, NULL},
};

static const struct command command = {
    "llm-chat", "[-nrv] [-m MODEL] [-t FILE]... [-S SYSTEM] [-e FILE] [PROMPT]",
    "Asks a model, and turns its tool calls into calls that need approval.", options, false};

struct job {
    struct http *http;
    struct chat_settings settings;
    const char *prompt;
    jv tools; /* an array of what each -t file holds */
};

static bool configure(struct job *job, struct error *error) {
    if (!config_load(given.env_file, error) ||
        !config_secret(&job->settings.api_key, error, given.key_file, "OPENAI_API_KEY", NULL))
        return false;
    const char *base_url = config_get(given.base_url, "OPENAI_BASE_URL", NULL);
    const char *model = config_get(NULL, "OPENAI_MODEL", NULL);
    job->settings.base_url = base_url != NULL ? base_url : "https://api.openai.com/v1";
    job->settings.model = given.model;
    job->settings.default_model = model != NULL ? model : "gpt-4o-mini";
    job->settings.max_tokens = given.max_tokens;
    if (base_url == NULL && job->settings.api_key == NULL)
        return fail(error, STATUS_CONFIG, "no API key: set OPENAI_API_KEY, or --api-key-file");
    job->http = http_new(&given.http, config_get(NULL, "SSL_CERT_FILE", NULL),
                         config_get(NULL, "SSL_CERT_DIR", NULL));
    return http_url_allowed(job->settings.base_url, error);
}

static bool read_tools(struct job *job, struct error *error) {
    job->tools = jv_array();
    for (size_t i = 0; i < given.tools.count; i++) {
        const char *path = given.tools.items[i];
        struct error why;
        unsigned long size;
        jv definitions;
        char *text = config_read_file(path, TOOLS_FILE_LIMIT, &size, error);
        if (text == NULL)
            return false;
        jv trial = jv_object();
        bool good =
            json_parse(text, size, &definitions, &why) && chat_add_tools(&trial, definitions, &why);
        free(text);
        jv_free(trial);
        if (!good) {
            jv_free(definitions);
            return fail(error, STATUS_INPUT, "%s: %s", path, why.text);
        }
        job->tools = jv_array_append(job->tools, definitions);
    }
    return true;
}

static jv add_tools(const struct job *job, jv document) {
    jv_array_foreach(job->tools, i, definitions) {
        struct error ignored; /* they were tried when they were read */
        chat_add_tools(&document, definitions, &ignored);
        jv_free(definitions);
    }
    return document;
}

/* With -r: the text goes out, not the document. Takes the document. */
static jv print_text(jv document, int *status) {
    struct error error;
    const char *unfinished = chat_unfinished_call(document);
    char *text = chat_text(document);
    if (unfinished != NULL) {
        complain(unfinished, "has no result yet, so there is no answer to print");
        *status = status_worse(*status, STATUS_NOT_YET);
    } else if (text != NULL) {
        char *line = must_format("%s\n", text);
        if (!output_write(line, strlen(line), &error)) {
            complain("stdout", "%s", error.text);
            *status = status_worse(*status, error.status);
        }
        free(line);
    }
    free(text);
    jv_free(document);
    return jv_invalid();
}

static jv chat(void *context, jv document, int *status) {
    struct job *job = context;
    struct error error;
    document = add_tools(job, document);
    document = chat_fold_results(document);
    if (job->prompt != NULL && chat_unfinished_call(document) == NULL)
        document = chat_add_message(document, "user", job->prompt);
    for (int asked = 0; chat_is_models_turn(document); asked++) {
        if (asked == ASKS_PER_RUN) {
            complain("model", "its tool calls are still not valid after it was told why");
            *status = status_worse(*status, STATUS_PROTOCOL);
            break;
        }
        if (!chat_ask(job->http, &job->settings, &document, &error)) {
            complain("model", "%s", error.text);
            *status = status_worse(*status, error.status);
            break;
        }
        document = chat_fold_results(document);
    }
    return given.raw ? print_text(document, status) : document;
}

static jv new_document(void) {
    jv document = jv_object();
    return given.system != NULL ? chat_add_message(document, "system", given.system) : document;
}

int main(int argc, char **argv) {
    struct job job = {.tools = jv_invalid()};
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
    if (configure(&job, &error) && read_tools(&job, &error)) {
        status =
            given.null_input ? filter_run_one(chat, &job, new_document()) : filter_run(chat, &job);
    } else {
        complain(NULL, "%s", error.text);
        status = error.status;
    }
    jv_free(job.tools);
    free(given.tools.items);
    http_free(job.http);
    return status;
}
