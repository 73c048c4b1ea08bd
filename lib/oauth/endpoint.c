#include "oauth/endpoint.h"

#include "base/redact.h"
#include "json/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

jv endpoint_object(const struct http_answer *answer) {
    struct error ignored;
    jv body;
    if (json_parse(answer->body, answer->size, &body, &ignored) &&
        jv_get_kind(body) == JV_KIND_OBJECT)
        return body;
    jv_free(body);
    return jv_invalid();
}

void endpoint_words(const struct http_answer *answer, jv body, char words[static 400]) {
    const char *code = json_string(body, "error");
    const char *description = json_string(body, "error_description");
    snprintf(words, 400, "HTTP %ld%s%.80s%s%.250s", answer->status, code != NULL ? ", " : "",
             code != NULL ? code : "", description != NULL ? ": " : "",
             description != NULL ? description : "");
    redact_text(words);
}

/* One request; false and an error if it could not be made, or has no answer. */
static bool post_once(struct client *client, const char *url, const char *form, bool dpop,
                      struct http_answer *answer, struct error *error) {
    struct client_message message;
    if (!client_message(client, url, must_copy(form), dpop, &message, error))
        return false;
    http_call(client->issuer.http, &message.request, answer);
    client_message_free(&message);
    if (answer->dpop_nonce != NULL) {
        free(client->dpop_nonce);
        client->dpop_nonce = must_copy(answer->dpop_nonce);
    }
    if (answer->outcome == HTTP_ANSWERED)
        return true;
    fail(error, answer->exit_status, "%s", answer->why);
    http_answer_free(answer);
    return false;
}

static bool wants_nonce(const struct http_answer *answer) {
    jv body = endpoint_object(answer);
    bool wants = answer->dpop_nonce != NULL && json_is(body, "error", "use_dpop_nonce");
    jv_free(body);
    return wants;
}

bool endpoint_post(struct client *client, const char *endpoint, char *form, bool dpop,
                   struct http_answer *answer, struct error *error) {
    const char *url =
        client_discover(client, error) ? issuer_endpoint(&client->issuer, endpoint, error) : NULL;
    bool good = url != NULL && post_once(client, url, form, dpop, answer, error);
    if (good && dpop && wants_nonce(answer)) {
        http_answer_free(answer);
        good = post_once(client, url, form, dpop, answer, error);
    }
    free(form);
    if (good && (answer->status >= 500 || answer->status == 429 || answer->status == 408)) {
        good = fail(error, STATUS_UNAVAILABLE, "%s: HTTP %ld", url, answer->status);
        http_answer_free(answer);
    }
    return good;
}
