#include "ciba/token_answer.h"

#include "base/clock.h"
#include "base/redact.h"
#include "ciba/error_answer.h"
#include "ciba/interval.h"
#include "document/call.h"
#include "http/form.h"
#include "oauth/endpoint.h"
#include "oauth/errors.h"
#include "oauth/grant.h"
#include "oauth/id_token.h"
#include "json/json.h"
#include "json/redact_json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { CLOCKS_DIFFER_SECONDS = 300 /* at most, a provider's and ours */ };

bool ciba_poll_message(const struct client *client, const char *url, const char *auth_req_id,
                       struct client_message *message, struct error *error) {
    char *form = form_add(NULL, "grant_type", "urn:openid:params:grant-type:ciba");
    form = form_add(form, "auth_req_id", auth_req_id);
    return client_message(client, url, form, true, message, error);
}

/* The call's token: the members of §10.1.1 that are present. */
static jv token_of(jv body) {
    static const char *const kept[] = {"access_token",          "token_type",   "scope", "id_token",
                                       "authorization_details", "refresh_token"};
    jv token = jv_object();
    double expires_in;
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (json_has(body, kept[i]))
            token = json_set(token, kept[i], json_get(body, kept[i]));
    if (json_number_or_digits(body, "expires_in", &expires_in))
        token = json_set(token, "expires_at", jv_number(floor(clock_now() + expires_in)));
    return token;
}

/* Settles the call as failed: its approval is not used. Takes the call. */
static jv not_approved(jv call, const char *code, const struct error *why, struct error *error) {
    *error = *why;
    if (error->status == STATUS_INPUT || error->status == STATUS_CONFIG)
        error->status = STATUS_PROTOCOL; /* it came from the provider */
    return call_settle(call, "failed", code, why->text);
}

/* An answer is not older than its request, and clocks differ. Uses only the current time of day,
 * which may have been set since the user was asked. */
static double oldest_answer(jv authorization, double now) {
    double asked_at, expires_at;
    if (!json_number(authorization, "requested_at", &asked_at) ||
        !json_number(authorization, "expires_at", &expires_at))
        return 0;
    return now - fmax(expires_at - asked_at, 0) - CLOCKS_DIFFER_SECONDS;
}

/* Whether the answer's ID token is valid; *user is who approved, freed by the caller. */
static bool id_token_holds(struct client *client, jv authorization, jv body, bool is_push,
                           char **user, struct error *error) {
    struct error why;
    const char *id_token = json_string(body, "id_token");
    struct id_token_facts facts = {.user = json_string(authorization, "user"),
                                   .auth_req_id = json_string(authorization, "auth_req_id"),
                                   .access_token = json_string(body, "access_token"),
                                   .now = clock_now(),
                                   .is_push = is_push,
                                   .refresh_token = json_string(body, "refresh_token")};
    facts.not_before = oldest_answer(authorization, facts.now);
    if (!json_has(body, "id_token") && client->without_id_token && !is_push)
        return true;
    if (id_token == NULL)
        return fail(
            error, STATUS_PROTOCOL,
            "the ID token does not hold: there is none, so that it is not known who approved; "
            "--without-id-token accepts that of a provider that gives none");
    return id_token_verify(&client->issuer, &client->id_tokens, id_token, facts, user, &why) ||
           fail(error, why.status, "the ID token does not hold: %s", why.text);
}

/* Whether the token is bound to the client's key, or to none if the client has none. */
static bool binding_fits(const struct client *client, jv body, struct error *error) {
    const char *type = json_string(body, "token_type");
    bool dpop = type != NULL && strcasecmp(type, "DPoP") == 0;
    if (dpop == (client->dpop_key != NULL))
        return true;
    return fail(error, STATUS_PROTOCOL,
                dpop ? "the token is bound to a key, and none was proven"
                     : "the token is not bound to the key of --dpop-key-file: a downgrade");
}

/* The answer with its ID token decrypted, for which only this command has the key. Takes the
 * answer. Invalid and an error if that cannot be done. */
static jv with_open_id_token(const struct client *client, jv body, struct error *error) {
    struct error why;
    const char *id_token = json_string(body, "id_token");
    if (id_token == NULL)
        return body;
    char *opened = id_token_open(&client->id_tokens, id_token, &why);
    if (opened == NULL) {
        fail(error, why.status, "the ID token does not hold: %s", why.text);
        jv_free(body);
        return jv_invalid();
    }
    body = json_set_string(body, "id_token", opened);
    free(opened);
    return body;
}

static jv read_token_answer(struct client *client, jv call, jv answer, bool is_push,
                            struct error *error) {
    struct error unreadable;
    jv body = with_open_id_token(client, jv_copy(answer), &unreadable);
    if (!jv_is_valid(body))
        return not_approved(call, "invalid_id_token", &unreadable, error);
    jv authorization = json_get(call, "authorization"), token = token_of(body);
    const char *access_token = json_string(body, "access_token"), *fault = NULL;
    struct error why;
    char *user = NULL;
    double expires_in;
    if (access_token == NULL || *access_token == '\0' || json_string(body, "token_type") == NULL) {
        fail(&why, STATUS_PROTOCOL, "the token answer has no access_token or token_type");
        fault = "invalid_response";
    } else if (json_has(body, "expires_in") &&
               !json_number_or_digits(body, "expires_in", &expires_in)) {
        fail(&why, STATUS_PROTOCOL, "the token answer's expires_in is no number");
        fault = "invalid_response";
    } else if (!id_token_holds(client, authorization, body, is_push, &user, &why)) {
        fault = "invalid_id_token";
    } else if (!binding_fits(client, body, &why)) {
        fault = "invalid_response";
    } else {
        fault = grant_fault(authorization, token, &why);
    }
    jv_free(authorization);
    if (fault != NULL) {
        redact_know_token(token);
        redact_text(why.text);
        redact_forget_token(token);
        call = not_approved(call, fault, &why, error);
        jv_free(token);
    } else {
        call = call_settle(json_set(call, "token", token), "approved", NULL, NULL);
        authorization = json_set_string(json_get(call, "authorization"), "approved_by", user);
        call = json_set(call, "authorization", authorization);
    }
    jv_free(body);
    free(user);
    return call;
}

/* The nonce for the next DPoP proof, RFC 9449 §8.2. */
static void keep_nonce(struct client *client, const struct http_answer *answer) {
    if (answer->dpop_nonce == NULL)
        return;
    free(client->dpop_nonce);
    client->dpop_nonce = must_copy(answer->dpop_nonce);
}

bool ciba_still_pending(struct client *client, const struct http_answer *answer, double *interval) {
    if (answer->outcome != HTTP_ANSWERED || answer->status == 200)
        return false;
    keep_nonce(client, answer);
    /* Servers repeat this answer byte for byte: parse it only once. */
    if (client->pending_words != NULL && strcmp(answer->body, client->pending_words) == 0)
        return true;
    jv body = endpoint_object(answer);
    bool slow_down = json_is(body, "error", "slow_down");
    bool pending = slow_down || json_is(body, "error", "authorization_pending");
    if (pending && !slow_down) {
        free(client->pending_words);
        client->pending_words = must_copy(answer->body);
    }
    if (slow_down)
        *interval = ciba_slower_interval(*interval, body, answer->retry_after);
    jv_free(body);
    return pending;
}

static bool is_transient(long status) {
    return status == 429 || status == 408;
}

/* Whether the error is about the user or the client, whatever its status. */
static bool is_final(jv body) {
    const char *code = json_string(body, "error");
    int status = code == NULL ? STATUS_UNAVAILABLE : oauth_error_status(code);
    return status != STATUS_UNAVAILABLE && status != STATUS_PROTOCOL;
}

jv ciba_poll_answer(struct client *client, jv call, const struct http_answer *answer,
                    enum ciba_next *next, struct error *error) {
    *next = CIBA_TROUBLE;
    *error = (struct error){STATUS_DONE, ""};
    if (answer->outcome != HTTP_ANSWERED) {
        fail(error, STATUS_UNAVAILABLE, "%s", answer->why);
        return call;
    }
    keep_nonce(client, answer);
    jv body = endpoint_object(answer);
    *next = CIBA_DECIDED;
    if (answer->status == 200 && jv_is_valid(body)) {
        call = read_token_answer(client, call, body, false, error);
    } else if (json_is(body, "error", "use_dpop_nonce") && answer->dpop_nonce != NULL) {
        fail(error, STATUS_UNAVAILABLE, "the provider wants another DPoP nonce");
        *next = CIBA_AGAIN;
    } else if (answer->status >= 500 || json_string(body, "error") == NULL ||
               (is_transient(answer->status) && !is_final(body))) {
        /* What is not the provider's JSON is not its word: a gateway's page, with any status. */
        fail(error, STATUS_UNAVAILABLE, "HTTP %ld %s%s", answer->status, answer->reason,
             answer->status == 200 ? ", and no JSON object" : "");
        *next = CIBA_TROUBLE;
    } else {
        call = settle_by_error(call, body, answer, error);
    }
    jv_free(body);
    return call;
}

jv ciba_take_notification(struct client *client, jv call, jv notification, enum ciba_next *next,
                          struct error *error) {
    jv authorization = json_get(call, "authorization");
    const char *wanted = json_string(authorization, "auth_req_id");
    bool ours = wanted != NULL && json_is(notification, "auth_req_id", wanted);
    struct http_answer as_answer = {.status = 400};
    jv_free(authorization);
    *error = (struct error){STATUS_DONE, ""};
    *next = CIBA_PENDING;
    if (!ours) {
        *next = CIBA_TROUBLE;
        fail(error, STATUS_PROTOCOL, "a notification is for another auth_req_id");
    } else if (json_has(notification, "error")) {
        *next = CIBA_DECIDED;
        call = settle_by_error(call, notification, &as_answer, error);
    } else if (json_has(notification, "access_token")) {
        *next = CIBA_DECIDED;
        call = read_token_answer(client, call, notification, true, error);
    }
    return call;
}
