#include "model/chat.h"

#include "http/url.h"
#include "model/chat_kept.h"
#include "model/chat_reply.h"
#include "model/chat_turn.h"
#include "model/conversation.h"
#include "system/settings.h"
#include "json/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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
static bool take_answer(const struct chat_turn *turn, jv *document, jv body, double until,
                        struct error *error) {
    struct chat_reply reply = {jv_invalid(), jv_invalid(), CHAT_END_UNSAID};
    bool good = turn->api->dialect->read(body, &reply, error) &&
                chat_reply_holds(&turn->wishes, &reply, error);
    if (!good) {
        jv_free(reply.message);
        jv_free(reply.usage);
        return false;
    }
    jv message = chat_kept_mark(&turn->wishes, reply.message);
    *document = chat_kept_refuse(&turn->wishes, *document);
    *document = conversation_take_message(*document, message, until);
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

/* With --api auto, the API that the document's last processes have found to be right. */
static const struct chat_api *first_api(const struct chat_api *api, jv document) {
    if (!api->is_auto)
        return api;
    bool responses = json_is(document, "api", "responses");
    jv messages = json_array(document, "messages");
    jv_array_foreach(messages, i, message) {
        responses =
            responses || (json_has(message, "responses") && !json_is(document, "api", "openai"));
        jv_free(message);
    }
    jv_free(messages);
    return chat_api_named(responses ? "responses" : "openai");
}

/* Records what a later process has to know. */
static jv record(const struct chat_settings *settings, const struct chat_turn *turn, jv document) {
    if (settings->model != NULL || !json_has(document, "model")) {
        char *name = must_copy(turn->wishes.model);
        document = json_set_string(document, "model", name);
        free(name);
    }
    if (settings->api->is_auto &&
        (turn->went_back || json_has(document, "api") || strcmp(turn->api->name, "openai") != 0))
        document = json_set_string(document, "api", turn->api->name);
    return document;
}

bool chat_ask(struct http *http, const struct chat_settings *settings, jv *document, double *until,
              struct error *error) {
    const char *own = json_string(*document, "model"), *model = settings->model;
    bool plain;
    model = model != NULL ? model : own != NULL ? own : settings->default_model;
    if (!within_budget(settings, *document, error))
        return false;
    if (model == NULL)
        return fail(error, STATUS_CONFIG, "no model: set %s, or --model",
                    settings->api->model_name);
    char *server = http_url_host(settings->base_url, &plain, error);
    if (server == NULL)
        return false;
    char *key_header = chat_key_header(settings);
    struct chat_turn turn = {.http = http,
                             .api = first_api(settings->api, *document),
                             .is_auto = settings->api->is_auto,
                             .base_url = settings->base_url,
                             .version = settings->version,
                             .key_header = key_header,
                             .is_default_server = settings->is_default_server,
                             .wishes = settings->wishes,
                             .document = *document,
                             .retries = settings->retries,
                             .deadline = settings->deadline,
                             .show = settings->show,
                             .context = settings->context};
    turn.wishes.model = model;
    turn.wishes.server = server;
    if (turn.api->dialect->own_member == NULL && chat_kept_was_refused(&turn.wishes, *document))
        turn.wishes.learned |= CHAT_NO_KEPT; /* its newer answers will be refused as well */
    jv body;
    bool good = chat_turn_take(&turn, &body, error);
    *until = check_until(settings, turn.last_began);
    good = good && take_answer(&turn, document, body, *until, error);
    if (good)
        *document = record(settings, &turn, *document);
    jv_free(body);
    free(server);
    free(key_header);
    return good;
}
