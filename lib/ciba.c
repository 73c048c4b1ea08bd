#include "ciba.h"

#include "call.h"
#include "clock.h"
#include "id_token.h"
#include "json.h"
#include "utf8.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    DEFAULT_INTERVAL = 5,       /* §7.3 */
    SLOW_DOWN_SECONDS = 5,      /* §11 */
    INTERVAL_LIMIT = 3600,      /* longer waits are a server's mistake */
    EXPIRY_LIMIT = 366 * 86400, /* likewise */
};

static char *login_hint(const struct client *client, const char *user) {
    jv hint = json_set_string(jv_object(), "format", "iss_sub");
    hint = json_set_string(json_set_string(hint, "iss", client->issuer), "sub", user);
    char *text = json_text(hint);
    jv_free(hint);
    return text;
}

static char *question_form(const struct client *client, const struct ciba_question *question) {
    char *hint = login_hint(client, question->user);
    char *form = form_add(NULL, "scope", question->scope);
    form = form_add(form, "audience", question->audience);
    form = form_add(form, "binding_message", question->binding_message);
    form = form_add(form, "login_hint", hint);
    free(hint);
    if (question->requested_expiry > 0) {
        char *seconds = must_format("%ld", question->requested_expiry);
        form = form_add(form, "requested_expiry", seconds);
        free(seconds);
    }
    if (jv_is_valid(question->authorization_details)) {
        char *details = json_text(question->authorization_details);
        form = form_add(form, "authorization_details", details);
        free(details);
    }
    return form;
}

/* What is recorded of the question, whatever becomes of it. */
static jv question_record(const struct client *client, const struct ciba_question *question,
                          const char *digest) {
    jv record = json_set_string(jv_object(), "status", "failed");
    record = json_set_string(record, "issuer", client->issuer);
    record = json_set_string(record, "user", question->user);
    record = json_set_string(record, "scope", question->scope);
    record = json_set_string(record, "audience", question->audience);
    record = json_set_string(record, "binding_message", question->binding_message);
    if (jv_is_valid(question->authorization_details))
        record =
            json_set(record, "authorization_details", jv_copy(question->authorization_details));
    record = json_set(record, "requested_at", jv_number(floor(clock_now())));
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
    *call = json_set(*call, "authorization", authorization);
    return true;
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
    } else if (!json_has(body, "error") && (answer->status >= 500 || answer->status == 429)) {
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

static bool question_sound(const struct ciba_question *question, struct error *error) {
    const char *text = question->binding_message;
    uint32_t character;
    size_t size = text == NULL ? 0 : strlen(text), length;
    if (text != NULL && size == 0)
        return fail(error, STATUS_INPUT, "the message is empty");
    for (size_t i = 0; i < size; i += length)
        if ((length = utf8_decode(text + i, size - i, &character)) == 0 || !utf8_plain(character))
            return fail(error, STATUS_INPUT,
                        "the message has a control or direction character; nobody was asked");
    return true;
}

/* Where to ask, if that can be known. */
static const char *ask_endpoint(struct client *client, struct error *error) {
    return client_discover(client, error)
               ? client_endpoint(client, "backchannel_authentication_endpoint", error)
               : NULL;
}

jv ciba_ask(struct client *client, const struct ciba_question *question, jv call,
            struct error *error) {
    char *digest = call_digest(call, error);
    if (digest == NULL)
        return call_settle(call, "failed", "invalid_arguments", error->text);
    call = json_set(call, "authorization", question_record(client, question, digest));
    free(digest);
    if (!question_sound(question, error))
        return call_settle(call, "failed", "invalid_message", error->text);
    const char *url = ask_endpoint(client, error);
    if (url == NULL)
        return call_settle(call, "failed",
                           error->status == STATUS_UNAVAILABLE ? "server_unavailable"
                                                               : "misconfigured",
                           error->text);
    struct client_message message;
    struct http_answer answer;
    client_message(client, url, question_form(client, question), &message);
    http_call(client->http, &message.request, &answer);
    client_message_free(&message);
    if (answer.outcome == HTTP_ANSWERED) {
        call = read_ask_answer(call, &answer, error);
    } else {
        bool sent = answer.outcome == HTTP_UNKNOWN;
        fail(error, answer.exit_status, "%s%s", answer.why,
             sent ? "; the user may have been asked all the same" : "");
        call = call_settle(call, "failed", sent ? "outcome_unknown" : "server_unavailable",
                           error->text);
    }
    http_answer_free(&answer);
    return call;
}

double ciba_interval(jv call) {
    double interval = DEFAULT_INTERVAL;
    jv authorization = json_get(call, "authorization");
    if (!json_number(authorization, "interval", &interval) || !(interval > 0))
        interval = DEFAULT_INTERVAL;
    jv_free(authorization);
    return interval < 1 ? 1 : interval > INTERVAL_LIMIT ? INTERVAL_LIMIT : interval;
}

bool ciba_poll_message(const struct client *client, jv call, struct client_message *message,
                       struct error *error) {
    const char *url = client_endpoint(client, "token_endpoint", error);
    if (url == NULL)
        return false;
    jv authorization = json_get(call, "authorization");
    char *form = form_add(NULL, "grant_type", "urn:openid:params:grant-type:ciba");
    form = form_add(form, "auth_req_id", json_string(authorization, "auth_req_id"));
    jv_free(authorization);
    client_message(client, url, form, message);
    return true;
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

static jv read_token_answer(struct client *client, jv call, jv body, struct error *error) {
    jv authorization = json_get(call, "authorization");
    const char *access_token = json_string(body, "access_token");
    struct id_token_facts facts = {.user = json_string(authorization, "user"),
                                   .auth_req_id = json_string(authorization, "auth_req_id"),
                                   .access_token = access_token,
                                   .now = clock_now()};
    bool good = true;
    struct error why;
    if (access_token == NULL || *access_token == '\0' || json_string(body, "token_type") == NULL) {
        good = fail(error, STATUS_PROTOCOL, "the token answer has no access_token or token_type");
        call = call_settle(call, "failed", "invalid_response", error->text);
    } else if (json_has(body, "id_token")) {
        const char *id_token = json_string(body, "id_token");
        good = id_token != NULL && id_token_verify(client, id_token, facts, &why);
        if (!good) {
            fail(error, id_token ? why.status : STATUS_PROTOCOL, "the ID token does not hold: %s",
                 id_token ? why.text : "it is no string");
            call = call_settle(call, "failed", "invalid_id_token", error->text);
        }
    }
    jv_free(authorization);
    return good ? call_settle(json_set(call, "token", token_of(body)), "approved", NULL, NULL)
                : call;
}

/* slow_down: at least 5 s more, now and from now on, or what Retry-After says if that is more. */
static jv slow_down(jv call, double retry_after) {
    double interval = ciba_interval(call) + SLOW_DOWN_SECONDS;
    if (retry_after > interval)
        interval = retry_after;
    jv authorization = json_get(call, "authorization");
    authorization = json_set(authorization, "interval",
                             jv_number(interval < INTERVAL_LIMIT ? interval : INTERVAL_LIMIT));
    return json_set(call, "authorization", authorization);
}

jv ciba_poll_answer(struct client *client, jv call, const struct http_answer *answer,
                    enum ciba_next *next, struct error *error) {
    *next = CIBA_TROUBLE;
    *error = (struct error){STATUS_DONE, ""};
    if (answer->outcome != HTTP_ANSWERED) {
        fail(error, STATUS_UNAVAILABLE, "%s", answer->why);
        return call;
    }
    jv body = answer_object(answer);
    *next = CIBA_DECIDED;
    if (answer->status == 200 && jv_is_valid(body)) {
        call = read_token_answer(client, call, body, error);
    } else if (answer->status == 200) {
        fail(error, STATUS_PROTOCOL, "the token answer is not a JSON object");
        call = call_settle(call, "failed", "invalid_response", error->text);
    } else if (json_is(body, "error", "authorization_pending")) {
        *next = CIBA_PENDING;
    } else if (json_is(body, "error", "slow_down")) {
        call = slow_down(call, answer->retry_after);
        *next = CIBA_PENDING;
    } else if (answer->status >= 500 || answer->status == 429 || answer->status == 408) {
        fail(error, STATUS_UNAVAILABLE, "HTTP %ld %s", answer->status, answer->reason);
        *next = CIBA_TROUBLE;
    } else {
        call = settle_by_error(call, body, answer, error);
    }
    jv_free(body);
    return call;
}
