#include "call.h"

#include "digest.h"
#include "json.h"

#include <stdlib.h>
#include <string.h>

enum { LOST_LIMIT = 3 };

/* Nobody was asked; or the token was lost, because the provider gave it to a run that did not live
 * to write it down. The user is not asked more often than LOST_LIMIT times for that. */
static bool may_be_asked_anew(jv authorization) {
    double attempt = 1;
    json_number(authorization, "attempt", &attempt);
    return !json_has(authorization, "auth_req_id") ||
           (json_is(authorization, "error", "invalid_grant") && attempt < LOST_LIMIT);
}

enum call_state call_state(jv call) {
    static const struct {
        const char *status;
        enum call_state state;
    } states[] = {{"pending", CALL_PENDING},
                  {"approved", CALL_APPROVED},
                  {"denied", CALL_DENIED},
                  {"expired", CALL_EXPIRED}};
    if (json_has(call, "result"))
        return CALL_DONE;
    if (!json_has(call, "authorization"))
        return CALL_NEW;
    jv authorization = json_get(call, "authorization");
    enum call_state state = CALL_FAILED;
    for (size_t i = 0; i < sizeof states / sizeof *states; i++)
        if (json_is(authorization, "status", states[i].status))
            state = states[i].state;
    if (json_is(authorization, "status", "failed") && may_be_asked_anew(authorization))
        state = CALL_NEW;
    jv_free(authorization);
    return state;
}

const char *call_id(jv call) {
    const char *id = json_string(call, "id");
    return id != NULL ? id : "call";
}

char *call_digest(jv call, struct error *error) {
    jv name = json_get(call, "name"), arguments = json_get(call, "arguments");
    jv subject = json_set(jv_object(), "name", jv_is_valid(name) ? name : jv_null());
    subject = json_set(subject, "arguments", jv_is_valid(arguments) ? arguments : jv_null());
    char *canonical = json_canonical(subject, error);
    jv_free(subject);
    char *digest = canonical == NULL ? NULL : digest_of(canonical, strlen(canonical));
    free(canonical);
    return digest;
}

bool call_unchanged(jv call, struct error *error) {
    jv authorization = json_get(call, "authorization");
    char *digest = call_digest(call, error);
    bool same = digest != NULL && json_is(authorization, "call_digest", digest);
    if (digest != NULL && !same)
        fail(error, STATUS_INPUT, "it is not what was approved: its call_digest differs");
    free(digest);
    jv_free(authorization);
    return same;
}

jv call_settle(jv call, const char *status, const char *error, const char *description) {
    jv authorization = json_get(call, "authorization");
    if (jv_get_kind(authorization) != JV_KIND_OBJECT) {
        jv_free(authorization);
        authorization = jv_object();
    }
    authorization = json_set_string(authorization, "status", status);
    authorization = json_delete(authorization, "next_poll_at");
    authorization = json_set_string(authorization, "error", error);
    authorization = json_set_string(authorization, "error_description", description);
    return json_set(call, "authorization", authorization);
}

static const struct {
    const char *code;
    int status;
    const char *advice;
} oauth_errors[] = {
    {"access_denied", STATUS_NO, ""},
    {"expired_token", STATUS_NO, ""},
    {"invalid_client", STATUS_REFUSED,
     "check client id, secret and --client-auth against the provider's settings"},
    {"unauthorized_client", STATUS_REFUSED,
     "enable the CIBA grant (poll mode) for this client at the provider"},
    {"invalid_grant", STATUS_REFUSED,
     "the auth_req_id was used already (a token answer was lost), is unknown, or is another "
     "client's; ciba-authorize asks anew"},
    {"invalid_scope", STATUS_CONFIG, "ask for scopes that the provider knows; check -s"},
    {"invalid_target", STATUS_CONFIG, "check the audience (-a) against the provider's APIs"},
    {"invalid_request", STATUS_CONFIG,
     "check user, scope, audience, and that the CIBA grant is enabled; Auth0 says so too when the "
     "user "
     "has no push device enrolled"},
    {"unknown_user_id", STATUS_CONFIG, "check the user (-u); he may not be enrolled"},
    {"expired_login_hint_token", STATUS_CONFIG, "get a new login_hint_token"},
    {"missing_user_code", STATUS_CONFIG, "this provider wants the user's code"},
    {"invalid_user_code", STATUS_CONFIG, "the user's code is wrong"},
    {"invalid_binding_message", STATUS_CONFIG,
     "the message (-m) is too long or has characters that the provider forbids"},
    {"invalid_authorization_details", STATUS_CONFIG, "check -d against the provider's types"},
    {"insufficient_scope", STATUS_REFUSED, "the provider granted less than was asked for"},
    {"insufficient_user_authentication", STATUS_REFUSED, "check --acr-values"},
    {"invalid_dpop_proof", STATUS_CONFIG, "check --dpop-key, and this machine's clock"},
    {"use_dpop_nonce", STATUS_UNAVAILABLE, "try again"},
    {"invalid_request_object", STATUS_CONFIG,
     "check --client-key-file, its kid and algorithm, and this machine's clock"},
    {"unsupported_grant_type", STATUS_CONFIG, "this provider does not offer CIBA"},
    {"server_error", STATUS_UNAVAILABLE, "try again later"},
    {"temporarily_unavailable", STATUS_UNAVAILABLE, "try again later"},
    {"too_many_requests", STATUS_UNAVAILABLE,
     "try again in a minute; Auth0 allows 5 requests a minute for one user"},
    {"transaction_failed", STATUS_UNAVAILABLE, "the provider could not finish it; ask anew"},
    /* Our own, where no server has named one. */
    {"server_unavailable", STATUS_UNAVAILABLE, "try again later"},
    {"outcome_unknown", STATUS_UNAVAILABLE, ""},
    {"misconfigured", STATUS_CONFIG, ""},
    {"invalid_message", STATUS_INPUT, ""},
    {"invalid_arguments", STATUS_INPUT, ""},
};

int oauth_error_status(const char *code) {
    for (size_t i = 0; code != NULL && i < sizeof oauth_errors / sizeof *oauth_errors; i++)
        if (strcmp(oauth_errors[i].code, code) == 0)
            return oauth_errors[i].status;
    return STATUS_PROTOCOL;
}

const char *oauth_error_advice(const char *code) {
    for (size_t i = 0; code != NULL && i < sizeof oauth_errors / sizeof *oauth_errors; i++)
        if (strcmp(oauth_errors[i].code, code) == 0)
            return oauth_errors[i].advice;
    return "";
}

int call_exit_status(jv call) {
    jv authorization = json_get(call, "authorization");
    int status = STATUS_DONE;
    if (json_is(authorization, "status", "pending"))
        status = STATUS_NOT_YET;
    else if (json_is(authorization, "status", "denied") ||
             json_is(authorization, "status", "expired"))
        status = STATUS_NO;
    else if (jv_is_valid(authorization) && !json_is(authorization, "status", "approved") &&
             !json_has(call, "result"))
        status = oauth_error_status(json_string(authorization, "error"));
    jv_free(authorization);
    return status;
}
