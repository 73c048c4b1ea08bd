#include "model/chat.h"

#include "base/backoff.h"
#include "base/clock.h"
#include "http/sse.h"
#include "http/url.h"
#include "model/chat_error.h"
#include "model/conversation.h"
#include "model/tool_calls.h"
#include "system/settings.h"
#include "json/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_WAIT = 300 /* seconds; if a server asks for more, we give up */ };

static const struct backoff between_tries = {.base = 0.5, .cap = 8, .jitter = -0.25};

/* One question to the model. */
struct asking {
    struct http *http;
    const struct chat_settings *settings;
    char *url, *key_header;
    jv body;
    double last_began; /* when the last request was sent */
};

/* The outcome of one try. */
struct try {
    jv answer;   /* the answer's body; invalid if there is none */
    jv failure;  /* the server's error body, for inspection */
    bool passes; /* a retry may help */
    double wait; /* seconds that the server asks to wait, -1 for none */
};

bool chat_configure(struct chat_settings *settings, const char *api_name, const char *base_url,
                    const char *key_file, struct error *error) {
    const char *name = settings_get(api_name, "LLM_API", NULL);
    const struct chat_api *api = chat_api_named(name);
    settings->api = api;
    if (api == NULL) {
        char *names = chat_api_names();
        fail(error, STATUS_USAGE, "--api: '%s' is not %s", name, names);
        free(names);
        return false;
    }
    if (!settings_secret(&settings->api_key, error, key_file, api->key_name, NULL))
        return false;
    const char *server = settings_get(base_url, api->base_name, NULL);
    const char *model = settings_get(NULL, api->model_name, NULL);
    settings->is_default_server = server == NULL || api->base_url == NULL;
    settings->base_url = server != NULL ? server : api->base_url;
    settings->default_model = model;
    if (settings->base_url == NULL)
        return fail(error, STATUS_CONFIG, "no server: set %s, or --base-url", api->base_name);
    if (settings->is_default_server && settings->api_key == NULL)
        return fail(error, STATUS_CONFIG, "no API key: set %s, or --api-key-file", api->key_name);
    if (api->version_name != NULL) {
        const char *version = settings_get(NULL, api->version_name, NULL);
        settings->version = version != NULL ? version : api->default_version;
    }
    return http_url_allowed(settings->base_url, settings->api->base_name, error);
}

char *chat_key_header(const struct chat_settings *settings) {
    return settings->api_key == NULL
               ? NULL
               : must_format("%s%s", settings->api->key_header, settings->api_key);
}

/* Whether a name is safe in a URL. */
static bool is_plain_name(const char *name) {
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._";
    return *name != '\0' && strspn(name, plain) == strlen(name) && strstr(name, "..") == NULL;
}

/* The path with {model} and {version} replaced; the caller frees. */
static char *fill_path(const char *path, const char *model, const char *version) {
    char *filled = must_copy(path);
    const char *const names[] = {"{model}", "{version}"}, *const values[] = {model, version};
    for (int i = 0; i < 2; i++) {
        char *place = strstr(filled, names[i]);
        if (place == NULL)
            continue;
        char *longer = must_format("%.*s%s%s", (int)(place - filled), filled, values[i],
                                   place + strlen(names[i]));
        free(filled);
        filled = longer;
    }
    return filled;
}

/* The URL: the base URL without a final slash, the path, and the base URL's query. */
static char *make_url(const struct chat_settings *settings, const char *model,
                      struct error *error) {
    const char *base = settings->base_url, *query = strchr(base, '?');
    size_t size = query != NULL ? (size_t)(query - base) : strlen(base);
    size -= size > 0 && base[size - 1] == '/';
    if (strchr(settings->api->path, '{') != NULL &&
        (!is_plain_name(model) || !is_plain_name(settings->version))) {
        fail(error, STATUS_CONFIG, "'%.60s' cannot be the name of a deployment", model);
        return NULL;
    }
    char *path = fill_path(settings->api->path, model, settings->version);
    char *url = must_format("%.*s%s%s", (int)size, base, path, query != NULL ? query : "");
    free(path);
    return url;
}

static bool take_event(void *context, const char *name, const char *data, size_t size) {
    struct chat_stream *stream = context;
    return chat_api_take(stream, name, data, size);
}

static bool take_bytes(void *receiver, const char *bytes, size_t size) {
    return sse_push(receiver, bytes, size);
}

/* Reads the assembled answer of a stream. */
static bool end_stream(struct sse *events, struct chat_stream *stream,
                       const struct http_answer *answer, struct try *try, struct error *error) {
    bool whole = sse_end(events);
    if (stream->refused.status != STATUS_DONE) {
        *error = stream->refused;
        return false;
    }
    if (answer->outcome != HTTP_ANSWERED) {
        try->passes = answer->transient && !answer->began;
        return fail(error, answer->exit_status, "%s", answer->why);
    }
    if (jv_is_valid(stream->failure)) {
        chat_stream_error(stream->failure, answer->request_id, &try->passes, error);
        return false;
    }
    if (!whole || !stream->finished)
        return fail(error, STATUS_UNAVAILABLE,
                    "the model's stream broke off before its end; try again");
    try->answer = jv_copy(stream->body);
    return true;
}

/* Sends the request once. */
static bool send(struct asking *asking, struct try *try, bool *shown, struct error *error) {
    const struct chat_settings *settings = asking->settings;
    struct chat_stream stream = {.api = settings->api,
                                 .body = jv_object(),
                                 .failure = jv_invalid(),
                                 .show = settings->show,
                                 .context = settings->context};
    struct sse events = {.take = take_event, .context = &stream};
    char *text = json_text(asking->body);
    struct http_request request = {.method = "POST",
                                   .url = asking->url,
                                   .body = text,
                                   .content_type = "application/json",
                                   .headers = {asking->key_header, settings->api->extra_header},
                                   .receive = settings->wishes.stream ? take_bytes : NULL,
                                   .receiver = &events};
    asking->last_began = clock_elapsed();
    if (asking->settings->deadline > 0)
        request.max_time = fmax(asking->settings->deadline - asking->last_began, 0.001);
    struct http_answer answer;
    http_call(asking->http, &request, &answer);
    *try = (struct try){jv_invalid(), jv_invalid(), false, -1};
    bool good;
    if (answer.is_stream) {
        good = end_stream(&events, &stream, &answer, try, error);
    } else {
        sse_end(&events);
        jv body;
        good = chat_answer_body(&answer, &body, &try->passes, error);
        *(good ? &try->answer : &try->failure) = body;
    }
    try->wait = answer.retry_after > 0 ? answer.retry_after : answer.rate_reset;
    *shown = *shown || stream.shown;
    jv_free(stream.body);
    jv_free(stream.failure);
    http_answer_free(&answer);
    free(text);
    return good;
}

/* Waits before the next try. False if there is none. */
static bool wait_for_next(const struct asking *asking, const struct try *try, long tries,
                          struct error *error) {
    double seconds = try->wait >= 0 ? try->wait : backoff_wait(&between_tries, (double)tries);
    if (seconds > LONGEST_WAIT || (asking->settings->deadline > 0 &&
                                   clock_elapsed() + seconds >= asking->settings->deadline)) {
        size_t used = strlen(error->text);
        snprintf(error->text + used, sizeof error->text - used, " (it asks for %.0f s)", seconds);
        return false;
    }
    report_verbose("model", "%s; trying again in %.1f s", error->text, seconds);
    clock_sleep(seconds);
    return true;
}

/* Some servers do not know a member, or want another instead, and their error names it. Changes
 * *body to what they know. */
enum { ADAPTATIONS = 4 }; /* per request at most */

static bool adapt(jv *body, jv failure) {
    static const char *const members[][2] = {{"max_completion_tokens", "max_tokens"},
                                             {"max_tokens", "max_completion_tokens"},
                                             {"stream_options", NULL},
                                             {"parallel_tool_calls", NULL},
                                             {"include", NULL}};
    char *words = json_text(failure);
    bool adapted = false;
    for (size_t i = 0; !adapted && i < sizeof members / sizeof *members; i++) {
        const char *member = members[i][0], *other = members[i][1];
        if (json_has(*body, member) && strstr(words, member) != NULL) {
            jv value = json_get(*body, member);
            *body = json_delete(*body, member);
            if (other != NULL)
                *body = json_set(*body, other, value);
            else
                jv_free(value);
            adapted = true;
        }
    }
    free(words);
    return adapted;
}

/* Gets the answer's body, retrying as needed. */
static bool get_answer(struct asking *asking, jv *answer, struct error *error) {
    bool shown = false;
    int adapted = 0;
    struct try try;
    for (long tries = 0; !send(asking, &try, &shown, error);) {
        bool again = false;
        if (adapted < ADAPTATIONS && error->status == STATUS_PROTOCOL &&
            (again = adapt(&asking->body, try.failure)))
            adapted++;
        if (!again && try.passes && !shown && tries < asking->settings->retries)
            again = wait_for_next(asking, &try, tries++, error);
        jv_free(try.failure);
        if (!again)
            return false;
    }
    *answer = try.answer;
    return true;
}

/* The sum of two usages: numbers are added, objects by member, otherwise the newer value counts.
 * Takes both. */
static jv add_usage(jv total, jv more) {
    jv_kind kind = jv_get_kind(more);
    if (kind == JV_KIND_NUMBER && jv_get_kind(total) == JV_KIND_NUMBER) {
        double sum = jv_number_value(total) + jv_number_value(more);
        jv_free(total); /* from jq 1.7 on a number may be allocated memory */
        jv_free(more);
        return jv_number(sum);
    }
    if (kind != JV_KIND_OBJECT || jv_get_kind(total) != JV_KIND_OBJECT) {
        jv_free(total);
        return more;
    }
    jv_object_foreach(more, key, value) {
        jv sum = add_usage(jv_object_get(jv_copy(total), jv_copy(key)), value);
        total = jv_object_set(total, key, sum);
    }
    jv_free(more);
    return total;
}

static bool finish_holds(const struct chat_reply *reply, struct error *error) {
    const char *finish = reply->finish != NULL ? reply->finish : "";
    bool cut = strcmp(finish, "length") == 0;
    if (strcmp(finish, "content_filter") == 0)
        return fail(error, STATUS_REFUSED,
                    "the provider's content filter stopped the answer; change the prompt");
    if (cut && json_has(reply->message, "tool_calls"))
        return fail(error, STATUS_UNAVAILABLE,
                    "the answer was cut off within a tool call, which is not used; raise "
                    "--max-tokens or shorten the conversation");
    if (cut)
        report("model", "its answer was cut off; raise --max-tokens or shorten the conversation");
    return true;
}

static bool calls_hold(const struct chat_reply *reply, struct error *error) {
    jv calls = json_array(reply->message, "tool_calls");
    int count = jv_array_length(calls);
    return count <= TOOL_CALLS_LIMIT || tool_calls_too_many(error);
}

static void report_usage(jv usage) {
    double prompt = 0, completion = 0;
    json_number(usage, "prompt_tokens", &prompt);
    json_number(usage, "completion_tokens", &completion);
    report_verbose("model", "%.0f tokens asked, %.0f answered", prompt, completion);
}

/* The deadline for checking the last answer: the same as for receiving it. */
static double check_until(const struct chat_settings *settings, double began) {
    return fmin(settings->deadline > 0 ? settings->deadline : INFINITY,
                settings->max_time > 0 ? began + settings->max_time : INFINITY);
}

/* Reads a good answer into the document. */
static bool take_answer(const struct chat_settings *settings, jv *document, jv body, double until,
                        struct error *error) {
    struct chat_reply reply = {jv_invalid(), jv_invalid(), NULL};
    bool good = settings->api->dialect->read(body, &reply, error) && calls_hold(&reply, error) &&
                finish_holds(&reply, error);
    if (!good) {
        jv_free(reply.message);
        jv_free(reply.usage);
        return false;
    }
    *document = conversation_take_message(*document, reply.message, until);
    if (jv_get_kind(reply.usage) == JV_KIND_OBJECT) {
        report_usage(reply.usage);
        *document =
            json_set(*document, "usage", add_usage(json_get(*document, "usage"), reply.usage));
    } else {
        jv_free(reply.usage);
    }
    return true;
}

/* Whether the document may use more tokens. */
static bool within_budget(const struct chat_settings *settings, jv document, struct error *error) {
    double used = 0;
    jv usage = json_get(document, "usage");
    json_number(usage, "total_tokens", &used);
    jv_free(usage);
    return settings->max_usage == 0 || used < (double)settings->max_usage ||
           fail(error, STATUS_REFUSED,
                "this document has used %.0f tokens, and --max-usage allows %ld; the model is not "
                "asked again",
                used, settings->max_usage);
}

bool chat_ask(struct http *http, const struct chat_settings *settings, jv *document, double *until,
              struct error *error) {
    const char *own = json_string(*document, "model"), *model = settings->model;
    model = model != NULL ? model : own != NULL ? own : settings->default_model;
    if (!within_budget(settings, *document, error))
        return false;
    if (model == NULL)
        return fail(error, STATUS_CONFIG, "no model: set %s, or --model",
                    settings->api->model_name);
    struct chat_wishes wishes = settings->wishes;
    wishes.model = model;
    char *url = make_url(settings, model, error);
    if (url == NULL)
        return false;
    struct asking asking = {.http = http,
                            .settings = settings,
                            .url = url,
                            .body = settings->api->dialect->request(&wishes, *document, error)};
    jv body = jv_invalid();
    bool good = jv_is_valid(asking.body);
    if (good && wishes.max_tokens > 0)
        asking.body = json_set(asking.body,
                               settings->is_default_server ? settings->api->max_tokens_name
                                                           : settings->api->other_name,
                               jv_number((double)wishes.max_tokens));
    asking.key_header = chat_key_header(settings);
    good = good && get_answer(&asking, &body, error);
    *until = check_until(settings, asking.last_began);
    good = good && take_answer(settings, document, body, *until, error);
    if (good && (settings->model != NULL || !json_has(*document, "model"))) {
        char *name = must_copy(model);
        *document = json_set_string(*document, "model", name);
        free(name);
    }
    jv_free(body);
    jv_free(asking.body);
    free(asking.url);
    free(asking.key_header);
    return good;
}
