#include "ciba/question.h"

#include "base/clock.h"
#include "ciba/answer_address.h"
#include "ciba/binding_message.h"
#include "ciba/error_answer.h"
#include "ciba/fitted_message.h"
#include "ciba/interval.h"
#include "ciba/known_provider.h"
#include "document/call.h"
#include "http/form.h"
#include "jose/digest.h"
#include "jose/jwt.h"
#include "oauth/authorization_details.h"
#include "oauth/endpoint.h"
#include "oauth/errors.h"
#include "json/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    DEFAULT_LIFETIME = 300,    /* of a request, in seconds, as providers use */
    EXPIRY_LIMIT = 366 * 86400 /* the same */
};

char *question_message(const struct ciba_question *question) {
    return question->binding_message == NULL
               ? NULL
               : must_format("%s%s", question->binding_message,
                             question->bound != NULL ? question->bound : "");
}

char *ciba_scope(const char *scope) {
    if (scope_has(scope, "openid", strlen("openid")))
        return must_copy(scope);
    return must_format("openid%s%s", *scope != '\0' ? " " : "", scope);
}

static jv set_login_hint(jv parameters, const struct client *client, const char *user) {
    jv hint = json_set_string(jv_object(), "format", "iss_sub");
    hint = json_set_string(json_set_string(hint, "iss", client->issuer.url), "sub", user);
    char *text = json_text(hint);
    parameters = json_set_string(parameters, "login_hint", text);
    jv_free(hint);
    free(text);
    return parameters;
}

/* The parameters of §7.1 as an object, by name; authorization_details and resource as JSON
 * values. */
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
        text = json_text(value); /* does not happen: an argument with a digest has no such value */
    form = form_add(form, name, text);
    free(text);
    return form;
}

static char *parameters_form(jv parameters) {
    char *form = NULL;
    jv_object_foreach(parameters, key, value) {
        const char *name = jv_string_value(key);
        if (strcmp(name, "resource") == 0) {
            /* RFC 8707 §2: the parameter is repeated */
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
        /* §7.1.1: all parameters inside, besides them only the client's authentication; the
         * audience is the issuer, even if assertions are for an endpoint. Some want client_id
         * inside and beside (PingFederate), however the client authenticates itself. */
        const struct credentials *credentials = &client->credentials;
        jv claims = jv_object_merge(parameters, client_auth_claims(credentials));
        claims = json_set_string(claims, "client_id", credentials->id);
        claims = json_set_string(claims, "aud", client->issuer.url);
        claims = json_set(claims, "nbf", json_get(claims, "iat"));
        char *request = client_auth_sign(
            &client->issuer, &client->credentials, claims, NULL,
            "backchannel_authentication_request_signing_alg_values_supported", error);
        if (request != NULL)
            form = form_add(NULL, "request", request);
        if (form != NULL && strcmp(credentials->method, "client_secret_basic") == 0)
            form = form_add(form, "client_id", credentials->id);
        free(request);
    } else {
        form = parameters_form(parameters);
        jv_free(parameters);
    }
    return form;
}

/* The `sub` that the token answer must have: of -u, or of the hint that is an ID token. The caller
 * frees. */
static char *expected_user(const struct ciba_question *question) {
    jv claims;
    if (question->user != NULL)
        return must_copy(question->user);
    if (question->id_token_hint == NULL)
        return NULL;
    jwt_unverified_claims(question->id_token_hint, &claims);
    const char *sub = json_string(claims, "sub");
    char *user = sub != NULL ? must_copy(sub) : NULL;
    jv_free(claims);
    return user;
}

jv ciba_authorization(const struct client *client, const struct ciba_question *question,
                      const char *digest) {
    char *user = expected_user(question), *message = question_message(question);
    jv authorization = json_set_string(jv_object(), "status", "failed");
    authorization = json_set_string(authorization, "issuer", client->issuer.url);
    authorization = json_set_string(authorization, "user", user);
    authorization = json_set_string(authorization, "login_hint", question->login_hint);
    if (question->login_hint_token != NULL) { /* nothing else says who is asked */
        const char *hint = question->login_hint_token;
        char *digest_of_hint = digest_of(hint, strlen(hint));
        authorization = json_set_string(authorization, "login_hint_token_digest", digest_of_hint);
        free(digest_of_hint);
    }
    authorization = json_set_string(authorization, "scope", question->scope);
    authorization = json_set_string(authorization, "audience", question->audience);
    if (jv_get_kind(question->resources) == JV_KIND_ARRAY &&
        jv_array_length(jv_copy(question->resources)) > 0)
        authorization = json_set(authorization, "resource", jv_copy(question->resources));
    authorization = json_set_string(authorization, "acr_values", question->acr_values);
    authorization = json_set_string(authorization, "binding_message", message);
    if (jv_is_valid(question->authorization_details))
        authorization = json_set(authorization, "authorization_details",
                                 jv_copy(question->authorization_details));
    if (question->notification_token != NULL) {
        char *hash = digest_of(question->notification_token, strlen(question->notification_token));
        authorization = json_set_string(authorization, "notification_digest", hash);
        free(hash);
    }
    authorization = json_set(authorization, "requested_at", jv_number(floor(clock_now())));
    free(user);
    free(message);
    return json_set_string(authorization, "call_digest", digest);
}

/* The authorization with the address at which the user can answer, if there is one. Takes it. */
static jv with_address(jv authorization, jv call, jv body) {
    struct error error = {STATUS_DONE, ""};
    const char *address = answer_address(body, &error);
    if (address == NULL && error.status != STATUS_DONE)
        report(call_label(call), "%s", error.text);
    return json_set_string(authorization, "verification_uri", address);
}

/* Reads the answer of §7.3 into the call. False and an error that says what is wrong. */
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
    authorization = with_address(authorization, *call, body);
    *call = json_set(*call, "authorization", authorization);
    return true;
}

/* Whether the body has an error code that says more than its status. */
static bool is_known_error(jv body) {
    const char *code = json_string(body, "error");
    return code != NULL && oauth_error_status(code) != STATUS_PROTOCOL;
}

double ciba_lifetime(const struct ciba_question *question) {
    enum { ON_THE_WAY = 2 /* seconds: the provider counts from when the request arrives */ };
    return ON_THE_WAY +
           (question->requested_expiry > 0 ? (double)question->requested_expiry : DEFAULT_LIFETIME);
}

/* A failure after which the user may still have been asked. Takes the call. */
static jv perhaps_asked(jv call, double until, const char *code, const char *why) {
    call = call_settle(call, "failed", code, why);
    jv authorization = json_get(call, "authorization");
    return json_set(call, "authorization",
                    json_set(authorization, "ask_again_at", jv_number(ceil(until))));
}

jv ciba_lost(jv call, double until, const char *why) {
    return perhaps_asked(call, until, "outcome_unknown", why);
}

/* A success with an answer that cannot be understood. */
static jv unreadable(jv call, double lifetime, const char *why) {
    return perhaps_asked(call, clock_now() + lifetime, "invalid_response", why);
}

/* Whether the user may have been asked although the answer is an error: a gateway sends 502 or 504
 * after it has passed the request on, and a server that fails does not say how far it came. 503 and
 * 429 mean that the request was not processed (RFC 9110 §15.6.4). */
static bool may_have_asked(jv body, const struct http_answer *answer) {
    if (answer->status < 500 || answer->status == 503 || is_known_error(body))
        return false;
    return answer->status == 502 || answer->status == 504 || json_string(body, "error") == NULL;
}

/* `lifetime` is that of the request, in seconds. */
static jv read_ask_answer(jv call, double lifetime, const struct http_answer *answer,
                          struct error *error) {
    jv body = endpoint_object(answer);
    bool taken = answer->status / 100 == 2;
    if (may_have_asked(body, answer)) {
        fail(error, STATUS_UNAVAILABLE, "HTTP %ld %s; the user may have been asked all the same",
             answer->status, answer->reason);
        call = ciba_lost(call, clock_now() + lifetime, error->text);
    } else if (taken && jv_is_valid(body)) {
        if (!read_acknowledgement(&call, body, error))
            call = unreadable(call, lifetime, error->text);
        else
            error->status = STATUS_DONE;
    } else if (taken) {
        fail(error, STATUS_PROTOCOL, "the answer is not a JSON object");
        call = unreadable(call, lifetime, error->text);
    } else if ((answer->status >= 500 || answer->status == 429) && !is_known_error(body)) {
        const char *code = answer->status == 429 ? "too_many_requests" : "server_unavailable";
        fail(error, STATUS_UNAVAILABLE, "HTTP %ld %s; %s", answer->status, answer->reason,
             oauth_error_advice(code, NULL));
        call = call_settle(call, "failed", code, error->text);
    } else {
        call = settle_by_error(call, body, answer, error);
    }
    jv_free(body);
    return call;
}

/* Whether we can receive the decision: a push-only provider answers no polls (§10). */
static bool decision_comes(const struct client *client, const struct ciba_question *question,
                           struct error *error) {
    jv modes = json_array(client->issuer.metadata, "backchannel_token_delivery_modes_supported");
    bool comes = question->notification_token != NULL || !json_lists(modes, "push") ||
                 json_lists(modes, "poll") || json_lists(modes, "ping");
    jv_free(modes);
    return comes ||
           fail(error, STATUS_CONFIG,
                "%s: only pushes what was decided; --notification-dir is needed, and ciba-notify "
                "where the provider can reach it",
                client->issuer.url);
}

/* The endpoint for asking, if it is available. */
static const char *ask_endpoint(struct client *client, const struct ciba_question *question,
                                struct error *error) {
    return client_discover(client, error) && decision_comes(client, question, error)
               ? issuer_endpoint(&client->issuer, "backchannel_authentication_endpoint", error)
               : NULL;
}

/* Adds to the error what the provider's 503 may mean. */
static void explain_unavailable(const char *url, const struct http_answer *answer,
                                struct error *error) {
    const struct known_provider *provider = known_provider(url);
    struct error bare = *error;
    if (provider != NULL && provider->unavailable != NULL && answer->status == 503 &&
        error->status != STATUS_DONE)
        fail(error, bare.status, "%.700s; %s", bare.text, provider->unavailable);
}

/* Sends the question, and settles the call on failure. Takes the call. */
static jv send_question(struct client *client, const char *url,
                        const struct ciba_question *question, jv call, struct error *error) {
    struct client_message message;
    struct http_answer answer;
    char *form = question_form(client, question, error);
    if (form == NULL || !client_message(client, url, form, false, &message, error))
        return call_settle(call, "failed", "misconfigured", error->text);
    http_call(client->issuer.http, &message.request, &answer);
    client_message_free(&message);
    if (answer.outcome == HTTP_ANSWERED) {
        call = read_ask_answer(call, ciba_lifetime(question), &answer, error);
        explain_unavailable(url, &answer, error);
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

/* Whether the message, as it is, can be shown on any phone. */
static bool message_sound(const struct ciba_question *question, struct error *error) {
    if (question->binding_message == NULL || question->fit)
        return true;
    char *message = question_message(question);
    bool sound = binding_message_sound(message, error);
    free(message);
    return sound;
}

/* Records how the message was made to fit, and tells the person at the terminal what its code
 * stands for, before it is on the phone. Takes the call. */
static jv tell_fitted(jv call, const char *sent, const char *code, const char *salt) {
    jv authorization = json_get(call, "authorization"),
       whole = json_get(authorization, "binding_message");
    char *visible = json_visible(whole);
    report_whole(call_label(call), "the message was shortened: %s stands for: %s", code, visible);
    free(visible);
    authorization = json_set(authorization, "message", whole);
    authorization = json_set_string(authorization, "binding_message", sent);
    authorization = json_set_string(authorization, "message_code", code);
    authorization = json_set_string(authorization, "message_salt", salt);
    return json_set(call, "authorization", authorization);
}

/* The message as it is sent: whole, or made to fit, and then recorded. The caller frees. NULL and
 * an error if the provider is known not to take it. */
static char *message_to_send(const struct ciba_question *question, const char *url, jv *call,
                             struct error *error) {
    const struct message_rule *rule = binding_message_rule(url);
    char *message = question_message(question);
    if (!question->fit && !question->any_message && !binding_message_taken(rule, message, error)) {
        free(message);
        return NULL;
    }
    if (!question->fit)
        return message;
    free(message);
    bool changed;
    jv authorization = json_get(*call, "authorization");
    char *salt = random_name(16);
    char *code = message_code(json_string(authorization, "call_digest"), salt);
    message = fitted_message(rule, question->binding_message,
                             question->bound != NULL ? question->bound : "", code, &changed, error);
    if (message != NULL && changed)
        *call = tell_fitted(*call, message, code, salt);
    jv_free(authorization);
    free(salt);
    free(code);
    return message;
}

/* Tells, once, that the user's phone will not ring. */
static void tell_if_mailed(const char *url, const struct ciba_question *question) {
    static bool told;
    const struct known_provider *provider = known_provider(url);
    if (told || provider == NULL || provider->phone_seconds == 0 ||
        question->requested_expiry <= provider->phone_seconds)
        return;
    told = true;
    report(NULL,
           "--expiry %ld: %s asks by e-mail, and not on the phone, where it is more than %ld s",
           question->requested_expiry, provider->name, provider->phone_seconds);
}

/* Asks at the endpoint. Takes the call. */
static jv ask_at(struct client *client, const char *url, const struct ciba_question *question,
                 jv call, struct error *error) {
    struct ciba_question sent = *question;
    jv details = question->authorization_details;
    if (jv_is_valid(details) && !details_known(details, client->issuer.metadata, error))
        return call_settle(call, "failed", "invalid_authorization_details", error->text);
    char *message = NULL;
    if (question->binding_message != NULL &&
        (message = message_to_send(question, url, &call, error)) == NULL)
        return call_settle(call, "failed", "invalid_message", error->text);
    sent.binding_message = message;
    tell_if_mailed(url, question);
    call = send_question(client, url, &sent, call, error);
    free(message);
    return call;
}

jv ciba_ask(struct client *client, const struct ciba_question *question, jv call,
            struct error *error) {
    char *digest =
        question->digest != NULL ? must_copy(question->digest) : call_digest(call, error);
    if (digest == NULL)
        return call_settle(call, "failed", "invalid_arguments", error->text);
    call = json_set(call, "authorization", ciba_authorization(client, question, digest));
    free(digest);
    if (!message_sound(question, error))
        return call_settle(call, "failed", "invalid_message", error->text);
    jv details = question->authorization_details;
    if (jv_is_valid(details) && !details_sound(details, error))
        return call_settle(call, "failed", "invalid_authorization_details", error->text);
    const char *url = ask_endpoint(client, question, error);
    if (url == NULL)
        return call_settle(call, "failed",
                           error->status == STATUS_UNAVAILABLE ? "server_unavailable"
                                                               : "misconfigured",
                           error->text);
    return ask_at(client, url, question, call, error);
}
