#include "ciba.h"

#include "authorization_details.h"
#include "binding_message.h"
#include "call.h"
#include "clock.h"
#include "digest.h"
#include "form.h"
#include "grant.h"
#include "id_token.h"
#include "json.h"
#include "jws.h"
#include "jwt.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    DEFAULT_INTERVAL = 5,        /* §7.3 */
    CLOCKS_DIFFER_SECONDS = 300, /* at most, a provider's and ours */
    DEFAULT_LIFETIME = 300,      /* of a request, in seconds, as providers have it */
    SLOW_DOWN_SECONDS = 5,       /* §11 */
    EXPIRY_LIMIT = 366 * 86400,  /* likewise */
};

char *ciba_scope(const char *scope) {
    if (scope_has(scope, "openid", strlen("openid")))
        return must_copy(scope);
    return must_format("openid%s%s", *scope != '\0' ? " " : "", scope);
}

static jv set_login_hint(jv parameters, const struct client *client, const char *user) {
    jv hint = json_set_string(jv_object(), "format", "iss_sub");
    hint = json_set_string(json_set_string(hint, "iss", client->issuer), "sub", user);
    char *text = json_text(hint);
    parameters = json_set_string(parameters, "login_hint", text);
    jv_free(hint);
    free(text);
    return parameters;
}

/* The parameters of §7.1 as an object, by name; authorization_details and resource as they are in
 * JSON. */
static jv parameters_of(const struct client *client, const struct ciba_question *question) {
    jv all = jv_is_valid(question->more) ? jv_copy(question->more) : jv_object();
    all = json_set_string(all, "scope", question->scope);
    all = json_set_string(all, "audience", question->audience);
    all = json_set_string(all, "binding_message", question->binding_message);
    all = json_set_string(all, "login_hint", question->login_hint);
    all = json_set_string(all, "login_hint_token", question->login_hint_token);
    all = json_set_string(all, "id_token_hint", question->id_token_hint);
    all = json_set_string(all, "acr_values", question->acr_values);
    all = json_set_string(all, "user_code", question->user_code);
    all = json_set_string(all, "client_notification_token", question->notification_token);
    if (question->user != NULL)
        all = set_login_hint(all, client, question->user);
    if (question->requested_expiry > 0)
        all = json_set(all, "requested_expiry", jv_number((double)question->requested_expiry));
    if (jv_is_valid(question->authorization_details))
        all = json_set(all, "authorization_details", jv_copy(question->authorization_details));
    if (jv_get_kind(question->resources) == JV_KIND_ARRAY &&
        jv_array_length(jv_copy(question->resources)) > 0)
        all = json_set(all, "resource", jv_copy(question->resources));
    return all;
}

static char *form_add_value(char *form, const char *name, jv value) {
    if (json_value_string(value) != NULL)
        return form_add(form, name, json_value_string(value));
    struct error ignored;
    char *text = json_exact(value, &ignored);
    if (text == NULL)
        text = json_text(value); /* what no argument can have, since it has a digest */
    form = form_add(form, name, text);
    free(text);
    return form;
}

static char *parameters_form(jv parameters) {
    char *form = NULL;
    jv_object_foreach(parameters, key, value) {
        const char *name = jv_string_value(key);
        if (strcmp(name, "resource") == 0) {
            /* RFC 8707 §2: once for each */
            jv_array_foreach(value, i, resource) {
                form = form_add_value(form, name, resource);
                jv_free(resource);
            }
        } else {
            form = form_add_value(form, name, value);
        }
        jv_free(key);
        jv_free(value);
    }
    return form;
}

/* The form of the request; NULL and an error if it cannot be signed. */
static char *question_form(const struct client *client, const struct ciba_question *question,
                           struct error *error) {
    jv parameters = parameters_of(client, question);
    char *form = NULL;
    if (question->is_signed) {
        /* §7.1.1: everything within, beside it only the client's authentication; for the issuer,
         * also where assertions are for an endpoint */
        jv claims = jv_object_merge(parameters, client_claims(client));
        claims = json_set_string(claims, "aud", client->issuer);
        claims = json_set(claims, "nbf", json_get(claims, "iat"));
        char *request = client_sign(client, claims, NULL, error);
        if (request != NULL)
            form = form_add(NULL, "request", request);
        free(request);
    } else {
        form = parameters_form(parameters);
        jv_free(parameters);
    }
    return form;
}

/* The `sub` that the token answer must name: of -u, or of the hint that is an ID token. The caller
 * frees. */
static char *expected_user(const struct ciba_question *question) {
    struct jws hint;
    struct error ignored;
    if (question->user != NULL)
        return must_copy(question->user);
    if (question->id_token_hint == NULL || !jws_parse(question->id_token_hint, &hint, &ignored))
        return NULL;
    const char *sub = json_string(hint.payload, "sub");
    char *user = sub != NULL ? must_copy(sub) : NULL;
    jws_free(&hint);
    return user;
}

jv ciba_authorization(const struct client *client, const struct ciba_question *question,
                      const char *digest) {
    char *user = expected_user(question);
    jv record = json_set_string(jv_object(), "status", "failed");
    record = json_set_string(record, "issuer", client->issuer);
    record = json_set_string(record, "user", user);
    record = json_set_string(record, "login_hint", question->login_hint);
    record = json_set_string(record, "scope", question->scope);
    record = json_set_string(record, "audience", question->audience);
    if (jv_get_kind(question->resources) == JV_KIND_ARRAY &&
        jv_array_length(jv_copy(question->resources)) > 0)
        record = json_set(record, "resource", jv_copy(question->resources));
    record = json_set_string(record, "acr_values", question->acr_values);
    record = json_set_string(record, "binding_message", question->binding_message);
    if (jv_is_valid(question->authorization_details))
        record =
            json_set(record, "authorization_details", jv_copy(question->authorization_details));
    if (question->notification_token != NULL) {
        char *hash = digest_of(question->notification_token, strlen(question->notification_token));
        record = json_set_string(record, "notification_digest", hash);
        free(hash);
    }
    record = json_set(record, "requested_at", jv_number(floor(clock_now())));
    free(user);
    return json_set_string(record, "call_digest", digest);
}

/* The JSON object in an answer; invalid if there is none. */
static jv answer_object(const struct http_answer *answer) {
    struct error ignored;
    jv body;
    if (json_parse(answer->body, answer->size, &body, &ignored) &&
        jv_get_kind(body) == JV_KIND_OBJECT)
        return body;
    jv_free(body);
    return jv_invalid();
}

/* Sets error and error_description of a call from an error answer, and the message for the user. */
static jv settle_by_error(jv call, jv body, const struct http_answer *answer, struct error *error) {
    const char *code = json_string(body, "error");
    const char *words = json_string(body, "error_description");
    char status_code[40] = "";
    if (code == NULL && (answer->status == 401 || answer->status == 403))
        code = "invalid_client";
    if (code == NULL)
        snprintf(status_code, sizeof status_code, "http_%ld", answer->status);
    code = code != NULL ? code : status_code;
    const char *advice = oauth_error_advice(code);
    fail(error, oauth_error_status(code), "%.100s%s%.400s%s%s", code, words ? ": " : "",
         words ? words : "", *advice ? "; " : "", advice);
    const char *status = strcmp(code, "access_denied") == 0   ? "denied"
                         : strcmp(code, "expired_token") == 0 ? "expired"
                                                              : "failed";
    return call_settle(call, status, code, words);
}

/* Reads §7.3 into the call. False and an error that names what is wrong. */
static bool read_acknowledgement(jv *call, jv body, struct error *error) {
    double expires_in, interval;
    const char *auth_req_id = json_string(body, "auth_req_id");
    if (auth_req_id == NULL || *auth_req_id == '\0')
        return fail(error, STATUS_PROTOCOL, "the answer has no auth_req_id");
    if (!json_number_or_digits(body, "expires_in", &expires_in))
        return fail(error, STATUS_PROTOCOL, "the answer has no expires_in");
    if (!(expires_in >= 1 && expires_in <= EXPIRY_LIMIT))
        return fail(error, STATUS_PROTOCOL, "the answer's expires_in is absurd: %g s", expires_in);
    if (!json_number_or_digits(body, "interval", &interval) || !(interval > 0))
        interval = DEFAULT_INTERVAL;
    jv authorization = json_get(*call, "authorization");
    double requested_at = 0;
    json_number(authorization, "requested_at", &requested_at);
    authorization = json_set_string(authorization, "status", "pending");
    authorization = json_set_string(authorization, "auth_req_id", auth_req_id);
    authorization = json_set(authorization, "expires_at", jv_number(requested_at + expires_in));
    authorization = json_set(authorization, "interval", jv_number(interval));
    /* Not of CIBA, but some providers say where the user can answer without his phone. */
    authorization = json_set_string(authorization, "verification_uri",
                                    json_string(body, "verification_uri_complete"));
    *call = json_set(*call, "authorization", authorization);
    return true;
}

/* Whether the body has an error that says more than its status does. */
static bool is_known_error(jv body) {
    const char *code = json_string(body, "error");
    return code != NULL && oauth_error_status(code) != STATUS_PROTOCOL;
}

static jv read_ask_answer(jv call, const struct http_answer *answer, struct error *error) {
    jv body = answer_object(answer);
    if (answer->status == 200 && jv_is_valid(body)) {
        if (!read_acknowledgement(&call, body, error))
            call = call_settle(call, "failed", "invalid_response", error->text);
        else
            error->status = STATUS_DONE;
    } else if (answer->status == 200) {
        fail(error, STATUS_PROTOCOL, "the answer is not a JSON object");
        call = call_settle(call, "failed", "invalid_response", error->text);
    } else if ((answer->status >= 500 || answer->status == 429) && !is_known_error(body)) {
        const char *code = answer->status == 429 ? "too_many_requests" : "server_unavailable";
        fail(error, STATUS_UNAVAILABLE, "HTTP %ld %s; %s", answer->status, answer->reason,
             oauth_error_advice(code));
        call = call_settle(call, "failed", code, error->text);
    } else {
        call = settle_by_error(call, body, answer, error);
    }
    jv_free(body);
    return call;
}

double ciba_lifetime(const struct ciba_question *question) {
    return question->requested_expiry > 0 ? (double)question->requested_expiry : DEFAULT_LIFETIME;
}

jv ciba_lost(jv call, double until, const char *why) {
    call = call_settle(call, "failed", "outcome_unknown", why);
    jv authorization = json_get(call, "authorization");
    return json_set(call, "authorization",
                    json_set(authorization, "ask_again_at", jv_number(ceil(until))));
}

/* Where to ask, if that can be known. */
static const char *ask_endpoint(struct client *client, struct error *error) {
    return client_discover(client, error)
               ? client_endpoint(client, "backchannel_authentication_endpoint", error)
               : NULL;
}

/* Sends the question, and settles the call where that fails. Takes the call. */
static jv send_question(struct client *client, const char *url,
                        const struct ciba_question *question, jv call, struct error *error) {
    struct client_message message;
    struct http_answer answer;
    char *form = question_form(client, question, error);
    if (form == NULL || !client_message(client, url, form, false, &message, error))
        return call_settle(call, "failed", "misconfigured", error->text);
    http_call(client->http, &message.request, &answer);
    client_message_free(&message);
    if (answer.outcome == HTTP_ANSWERED) {
        call = read_ask_answer(call, &answer, error);
    } else {
        bool sent = answer.outcome == HTTP_UNKNOWN;
        fail(error, answer.exit_status, "%s%s", answer.why,
             sent ? "; the user may have been asked all the same" : "");
        call = sent ? ciba_lost(call, clock_now() + ciba_lifetime(question), error->text)
                    : call_settle(call, "failed", "server_unavailable", error->text);
    }
    http_answer_free(&answer);
    return call;
}

jv ciba_ask(struct client *client, const struct ciba_question *question, jv call,
            struct error *error) {
    char *digest = call_digest(call, error);
    if (digest == NULL)
        return call_settle(call, "failed", "invalid_arguments", error->text);
    call = json_set(call, "authorization", ciba_authorization(client, question, digest));
    free(digest);
    const char *message = question->binding_message;
    if (message != NULL && !binding_message_sound(message, error))
        return call_settle(call, "failed", "invalid_message", error->text);
    jv details = question->authorization_details;
    if (jv_is_valid(details) && !details_sound(details, error))
        return call_settle(call, "failed", "invalid_authorization_details", error->text);
    const char *url = ask_endpoint(client, error);
    if (url == NULL)
        return call_settle(call, "failed",
                           error->status == STATUS_UNAVAILABLE ? "server_unavailable"
                                                               : "misconfigured",
                           error->text);
    if (message != NULL && !question->any_message && !binding_message_taken(message, url, error))
        return call_settle(call, "failed", "invalid_message", error->text);
    if (jv_is_valid(details) && !details_known(details, client->metadata, error))
        return call_settle(call, "failed", "invalid_authorization_details", error->text);
    return send_question(client, url, question, call, error);
}

double ciba_interval(jv call) {
    double interval = DEFAULT_INTERVAL;
    jv authorization = json_get(call, "authorization");
    if (!json_number(authorization, "interval", &interval) || !(interval > 0))
        interval = DEFAULT_INTERVAL;
    jv_free(authorization);
    return interval < 1 ? 1 : interval > LONGEST_INTERVAL ? LONGEST_INTERVAL : interval;
}

bool ciba_poll_message(const struct client *client, const char *url, const char *auth_req_id,
                       struct client_message *message, struct error *error) {
    char *form = form_add(NULL, "grant_type", "urn:openid:params:grant-type:ciba");
    form = form_add(form, "auth_req_id", auth_req_id);
    return client_message(client, url, form, true, message, error);
}

/* The call's token, of the members of §10.1.1 that are there. */
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

/* The call as failed: its approval is not used. Takes the call. */
static jv not_approved(jv call, const char *code, const struct error *why, struct error *error) {
    *error = *why;
    if (error->status == STATUS_INPUT || error->status == STATUS_CONFIG)
        error->status = STATUS_PROTOCOL; /* it came from the provider */
    return call_settle(call, "failed", code, why->text);
}

/* An answer is not older than its request can be, and clocks differ. By the present time of day
 * alone: it may have been set since the user was asked. */
static double oldest_answer(jv authorization, double now) {
    double asked_at, expires_at;
    if (!json_number(authorization, "requested_at", &asked_at) ||
        !json_number(authorization, "expires_at", &expires_at))
        return 0;
    return now - fmax(expires_at - asked_at, 0) - CLOCKS_DIFFER_SECONDS;
}

/* Whether the ID token of the answer holds; *user is who approved, the caller's to free. */
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
    return id_token_verify(client, id_token, facts, user, &why) ||
           fail(error, why.status, "the ID token does not hold: %s", why.text);
}

/* Whether the token is bound to the client's key if it has one, and to none if it has none. */
static bool binding_fits(const struct client *client, jv body, struct error *error) {
    const char *type = json_string(body, "token_type");
    bool dpop = type != NULL && strcasecmp(type, "DPoP") == 0;
    if (dpop == (client->dpop_key != NULL))
        return true;
    return fail(error, STATUS_PROTOCOL,
                dpop ? "the token is bound to a key, and none was proven"
                     : "the token is not bound to the key of --dpop-key: a downgrade");
}

static jv read_token_answer(struct client *client, jv call, jv body, bool is_push,
                            struct error *error) {
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
        call = not_approved(call, fault, &why, error);
        jv_free(token);
    } else {
        call = call_settle(json_set(call, "token", token), "approved", NULL, NULL);
        authorization = json_set_string(json_get(call, "authorization"), "approved_by", user);
        call = json_set(call, "authorization", authorization);
    }
    free(user);
    return call;
}

/* What the next DPoP proof must have, RFC 9449 §8.2. */
static void keep_nonce(struct client *client, const struct http_answer *answer) {
    if (answer->dpop_nonce[0] == '\0')
        return;
    free(client->dpop_nonce);
    client->dpop_nonce = must_copy(answer->dpop_nonce);
}

bool ciba_still_pending(struct client *client, const struct http_answer *answer, double *interval) {
    if (answer->outcome != HTTP_ANSWERED || answer->status == 200)
        return false;
    keep_nonce(client, answer);
    /* A server says this in the same words each time: they are read once. */
    if (client->pending_words != NULL && strcmp(answer->body, client->pending_words) == 0)
        return true;
    jv body = answer_object(answer);
    bool slow_down = json_is(body, "error", "slow_down");
    bool pending = slow_down || json_is(body, "error", "authorization_pending");
    if (pending && !slow_down) {
        free(client->pending_words);
        client->pending_words = must_copy(answer->body);
    }
    if (slow_down) {
        double named = 0; /* some providers say the new one in the body, as for RFC 8628 */
        *interval += SLOW_DOWN_SECONDS;
        if (json_number_or_digits(body, "interval", &named) && named > *interval)
            *interval = named;
        if (answer->retry_after > *interval)
            *interval = answer->retry_after;
        *interval = *interval < LONGEST_INTERVAL ? *interval : LONGEST_INTERVAL;
    }
    jv_free(body);
    return pending;
}

static bool is_transient(long status) {
    return status == 429 || status == 408;
}

/* An error that is about the user or the client, whatever the status it comes with. */
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
    jv body = answer_object(answer);
    *next = CIBA_DECIDED;
    if (answer->status == 200 && jv_is_valid(body)) {
        call = read_token_answer(client, call, body, false, error);
    } else if (answer->status == 200) {
        fail(error, STATUS_PROTOCOL, "the token answer is not a JSON object");
        call = call_settle(call, "failed", "invalid_response", error->text);
    } else if (json_is(body, "error", "use_dpop_nonce") && answer->dpop_nonce[0] != '\0') {
        fail(error, STATUS_UNAVAILABLE, "the provider wants another DPoP nonce");
        *next = CIBA_AGAIN;
    } else if (answer->status >= 500 || json_string(body, "error") == NULL ||
               (is_transient(answer->status) && !is_final(body))) {
        /* What is not the provider's JSON is not its word: a gateway's page, with any status. */
        fail(error, STATUS_UNAVAILABLE, "HTTP %ld %s", answer->status, answer->reason);
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
