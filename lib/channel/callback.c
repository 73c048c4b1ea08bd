#include "channel/callback.h"

#include "base/redact.h"
#include "http/http.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>

/* The caller frees. */
static char *endpoint(const struct channel *channel) {
    const char *issuer = channel->issuer.url;
    size_t size = strlen(issuer);
    size -= size > 0 && issuer[size - 1] == '/';
    return must_format("%.*s/protocol/openid-connect/ext/ciba/auth/callback", (int)size, issuer);
}

/* Whether Keycloak could have acted on what it, or a proxy before it, has answered so. */
static enum callback_outcome outcome_of(long status) {
    if (status >= 200 && status < 300)
        return CALLBACK_TAKEN;
    if (status == 400 || status == 401 || status == 403)
        return CALLBACK_REFUSED;
    return status >= 500 && status != 503 ? CALLBACK_UNKNOWN : CALLBACK_NOT_TAKEN;
}

/* What Keycloak says of it. */
static void explain(const struct http_answer *answer, struct error *why) {
    struct error ignored;
    jv body = jv_invalid();
    json_parse(answer->body, answer->size, &body, &ignored);
    const char *code = json_string(body, "error"), *words = json_string(body, "error_description");
    fail(why, STATUS_REFUSED, "Keycloak answers %ld%s%.100s%s%.300s", answer->status,
         code != NULL ? " " : "", code != NULL ? code : "", words != NULL ? ": " : "",
         words != NULL ? words : "");
    jv_free(body);
}

enum callback_outcome callback_send(const struct channel *channel, const char *bearer, bool yes,
                                    struct error *why) {
    char *url = endpoint(channel);
    struct http_request request = {.method = "POST",
                                   .url = url,
                                   .body = yes ? "{\"status\":\"SUCCEED\"}"
                                               : "{\"status\":\"UNAUTHORIZED\"}",
                                   .content_type = "application/json",
                                   .bearer = bearer};
    struct http_answer answer;
    redact_know(bearer);
    http_call(channel->issuer.http, &request, &answer);
    enum callback_outcome outcome = CALLBACK_UNKNOWN;
    if (answer.outcome == HTTP_ANSWERED) {
        outcome = outcome_of(answer.status);
        explain(&answer, why);
    } else {
        outcome = answer.outcome == HTTP_NOT_SENT ? CALLBACK_NOT_TAKEN : CALLBACK_UNKNOWN;
        fail(why, answer.exit_status, "%s", answer.why);
    }
    redact_text(why->text);
    redact_forget(bearer);
    http_answer_free(&answer);
    free(url);
    return outcome;
}
