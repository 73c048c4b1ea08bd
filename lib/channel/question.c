#include "channel/question.h"

#include "approval/audit.h"
#include "base/clock.h"
#include "channel/question_spool.h"
#include "jose/digest.h"
#include "jose/jwt.h"
#include "oauth/access_token.h"
#include "json/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    FORMAT = 1,
    LONGEST_SECONDS = 31 * 86400, /* that a question may stay open */
    NAME_LIMIT = 1000,            /* bytes of a user's or client's name */
    KEYS_SECONDS = 4              /* for Keycloak's keys: after 5 it has given us up */
};

/* Whether it is the token of a question, and not another one that Keycloak signs with the same
 * keys: an access token can be for the realm too, and then has the scope or the session that this
 * one lacks; ID, logout, refresh and registration tokens have another type. */
static bool is_of_question(const struct channel *channel, jv claims) {
    int audiences;
    return json_is(claims, "typ", "Bearer") &&
           jwt_audience_has(claims, channel->issuer.url, &audiences) && audiences == 1 &&
           json_string(claims, "jti") != NULL && !json_has(claims, "scope") &&
           !json_has(claims, "sid");
}

static bool claims_hold(const struct channel *channel, jv claims, struct error *error) {
    double exp, now = clock_now();
    const char *client = json_string(claims, "azp");
    if (!is_of_question(channel, claims))
        return fail(error, STATUS_INPUT,
                    "the token is another one of Keycloak's, not a question's");
    if (!json_number(claims, "exp", &exp) || exp <= now)
        return fail(error, STATUS_INPUT, "the token has expired; are the clocks right?");
    if (exp > now + LONGEST_SECONDS)
        return fail(error, STATUS_INPUT, "the token is valid for more than 31 days");
    if (client == NULL || strlen(client) > NAME_LIMIT)
        return fail(error, STATUS_INPUT, "the token names no client (azp)");
    return true;
}

/* The members of Keycloak's request that we know; any other one is a detail. */
static const struct known {
    const char *name, *ours;
    bool is_flag;
} known[] = {{"login_hint", "login_hint", false},
             {"binding_message", "message", false},
             {"scope", "scope", false},
             {"acr_values", "acr_values", false},
             {"is_consent_required", "consent", true}};

static const struct known *find_known(const char *name) {
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].name, name) == 0)
            return &known[i];
    return NULL;
}

/* Adds a member of the request. Takes the value. */
static bool take_member(jv *question, jv *details, const char *name, jv value,
                        struct error *error) {
    const struct known *row = find_known(name);
    jv_kind kind = jv_get_kind(value);
    bool good = true;
    if (row == NULL)
        *details = jv_object_set(*details, jv_string(name), jv_copy(value));
    else if (kind == JV_KIND_NULL)
        good = true;
    else if (row->is_flag ? kind == JV_KIND_TRUE || kind == JV_KIND_FALSE
                          : json_value_string(value) != NULL)
        *question = json_set(*question, row->ours, jv_copy(value));
    else
        good = fail(error, STATUS_INPUT, "the member %s has a wrong type", name);
    jv_free(value);
    return good;
}

static bool take_body(jv *question, jv body, struct error *error) {
    jv details = jv_object();
    bool good = true;
    jv_object_foreach(body, key, value) {
        const char *name = json_value_string(key);
        if (name == NULL)
            good = good && fail(error, STATUS_INPUT, "a member's name has a NUL");
        else
            good = good && take_member(question, &details, name, jv_copy(value), error);
        jv_free(key);
        jv_free(value);
    }
    if (jv_object_length(jv_copy(details)) > 0)
        *question = json_set(*question, "details", jv_copy(details));
    jv_free(details);
    return good;
}

/* The part of the request that is JSON. */
static bool read_body(const struct server_request *request, jv *question, struct error *error) {
    jv body;
    if (!json_parse(request->body, request->size, &body, error))
        return false;
    bool good = jv_get_kind(body) == JV_KIND_OBJECT
                    ? take_body(question, body, error)
                    : fail(error, STATUS_INPUT, "the request is not a JSON object");
    jv_free(body);
    const char *user = json_string(*question, "login_hint");
    if (good && (user == NULL || *user == '\0' || strlen(user) > NAME_LIMIT))
        good = fail(error, STATUS_INPUT, "the request names no user (login_hint)");
    return good;
}

/* The question's id: the same for the same request to Keycloak, so that one that comes twice is
 * one. Not of the token's text: one signature can be written in several ways. */
static jv id_of(const char *jti) {
    char *digest = digest_of(jti, strlen(jti));
    jv id = jv_string_sized(digest + strlen("sha-256:"), QUESTION_ID_SIZE);
    free(digest);
    return id;
}

/* Adds what the token says. */
static bool take_claims(const struct channel *channel, jv *question, jv claims,
                        struct error *error) {
    bool by_subject = channel->user_claim != NULL && strcmp(channel->user_claim, "sub") == 0;
    const char *user =
        by_subject ? json_string(claims, "sub") : json_string(*question, "login_hint");
    double exp = 0;
    if (user == NULL || strlen(user) > NAME_LIMIT)
        return fail(error, STATUS_INPUT, "the token names no user (sub)");
    json_number(claims, "exp", &exp);
    *question = json_set(*question, "id", id_of(json_string(claims, "jti")));
    *question = json_set_string(*question, "user", user);
    *question = json_set_string(*question, "client", json_string(claims, "azp"));
    *question = json_set(*question, "expires_at", jv_number(floor(exp)));
    return true;
}

/* Verifies the token. Returns 0 or the HTTP status. */
static int verify(struct channel *channel, const char *bearer, jv *claims, struct error *error) {
    const struct access_token_facts facts = {
        .issuer = channel->issuer.url, .audience = channel->issuer.url, .now = clock_now()};
    double began = clock_elapsed();
    struct error why;
    enum access_token_verdict verdict =
        access_token_verify_by(&channel->issuer, bearer, &facts, claims, &why);
    if (verdict == ACCESS_TOKEN_UNDECIDED) {
        fail(error, why.status, "it cannot be checked now: %s", why.text);
        return 503;
    }
    if (verdict != ACCESS_TOKEN_VALID) {
        fail(error, STATUS_INPUT, "the token is not by %s: %s", channel->issuer.url, why.text);
        return 401;
    }
    if (clock_elapsed() - began > KEYS_SECONDS) {
        fail(error, STATUS_UNAVAILABLE,
             "the keys of %s took more than %d s, and Keycloak waits no longer",
             channel->issuer.url, KEYS_SECONDS);
        return 503;
    }
    return claims_hold(channel, *claims, error) ? 0 : 401;
}

/* What we add to what was asked. */
static void open_question(const struct channel *channel, jv *question, const char *bearer) {
    char *page_token = random_name(24);
    *question = json_set(*question, "format", jv_number(FORMAT));
    *question = json_set_string(*question, "state", "open");
    *question = json_set_string(*question, "bearer", bearer);
    *question = json_set_string(*question, "page_token", page_token);
    *question = json_set(*question, "asked_at", jv_number(floor(clock_now())));
    if (channel->notify_command != NULL)
        *question = json_set(*question, "notice", jv_object());
    free(page_token);
}

int question_of_request(struct channel *channel, const struct server_request *request, jv *question,
                        struct error *error) {
    const char *bearer = server_request_bearer(request);
    jv claims = jv_invalid();
    int status = 0;
    *question = jv_object();
    if (!server_request_is(request, "application/json")) {
        fail(error, STATUS_INPUT, "the request is not JSON (application/json)");
        return 415;
    }
    if (bearer == NULL) {
        fail(error, STATUS_INPUT, "the request has no token of Keycloak's");
        return 401;
    }
    if (!read_body(request, question, error))
        return 400;
    status = verify(channel, bearer, &claims, error);
    if (status == 0 && !take_claims(channel, question, claims, error))
        status = 401;
    if (status == 0)
        open_question(channel, question, bearer);
    jv_free(claims);
    return status;
}

bool question_is(jv question, const char *state) {
    return json_is_format(question, FORMAT) && json_is(question, "state", state);
}

bool question_has_expired(jv question) {
    double until = 0;
    json_number(question, "expires_at", &until);
    return until <= clock_now();
}

jv question_log(const struct channel *channel, jv question, const char *event,
                const char *outcome) {
    static const struct {
        const char *member, *told;
    } members[] = {{"user", "user"},
                   {"client", "client"},
                   {"message", "binding_message"},
                   {"scope", "scope"},
                   {"details", "details"},
                   {"expires_at", "expires_at"},
                   {"acr_values", "acr_values"},
                   {"answer", "answer"},
                   {"id", "question"}};
    if (channel->audit == NULL)
        return question;
    char *id = random_name(16);
    jv line = json_set_string(json_set_string(jv_object(), "event", event), "id", id);
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        line = json_set(line, members[i].told, json_get(question, members[i].member));
    line = json_set_string(line, "issuer", channel->issuer.url);
    line = json_set_string(line, "outcome", outcome);
    free(id);
    return json_set(question, "log", jv_array_append(json_array(question, "log"), line));
}

bool question_tell_audit(const struct channel *channel, jv *question, struct error *error) {
    jv log = json_array(*question, "log");
    if (channel->audit == NULL || jv_array_length(jv_copy(log)) == 0) {
        jv_free(log);
        return true;
    }
    if (!audit_append(channel->audit, log, true, error))
        return false;
    *question = json_delete(*question, "log");
    return true;
}

jv question_settle(jv question, const char *outcome) {
    static const char *const kept[] = {"format", "id", "user", "expires_at", "answer", "log"};
    jv settled = json_set_string(jv_object(), "state", "settled");
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        settled = json_set(settled, kept[i], json_get(question, kept[i]));
    jv_free(question);
    return json_set_string(settled, "outcome", outcome);
}

/* Those that nobody has answered, or whose answer Keycloak has not taken: an answer makes room. */
static size_t count_unsettled(const struct channel *channel, const struct question_names *names) {
    size_t count = 0;
    for (size_t i = 0; i < names->count; i++) {
        jv question = question_read(channel->directory, names->names[i]);
        count += !question_is(question, "settled") && !question_has_expired(question);
        jv_free(question);
    }
    return count;
}

/* Whether there is room for one more of this user. */
static bool has_room(const struct channel *channel, const char *user, struct error *error) {
    struct question_names all = question_names(channel->directory, NULL);
    struct question_names theirs = question_names(channel->directory, user);
    bool good = true;
    if (all.count >= QUESTIONS_LIMIT)
        good = fail(error, STATUS_NOT_YET, "%s: has %d questions already", channel->directory,
                    QUESTIONS_LIMIT);
    else if (count_unsettled(channel, &theirs) >= QUESTIONS_OF_USER_LIMIT)
        good = fail(error, STATUS_NOT_YET, "%s: has %d questions to %.200s already",
                    channel->directory, QUESTIONS_OF_USER_LIMIT, user);
    question_names_free(&all);
    question_names_free(&theirs);
    return good;
}

/* Whether it can also be read when it has been answered and nothing of it is in the audit log yet:
 * an answer that is written and not read again would be lost, and such a line of the audit log
 * would be its last one. */
static bool stays_readable(const struct channel *channel, jv question) {
    jv fullest = question_log(channel, jv_copy(question), "asked", NULL);
    fullest = question_log(channel, fullest, "answered", NULL);
    bool good = question_fits(fullest);
    jv_free(fullest);
    return good;
}

/* Writes the question with its line, and then without it. */
static bool keep(const struct channel *channel, const char *name, jv question,
                 struct error *error) {
    jv logged = question_log(channel, jv_copy(question), "asked", NULL);
    bool good = question_write(channel->directory, name, logged, error);
    good = good && question_tell_audit(channel, &logged, error);
    if (!good) {
        question_remove(channel->directory, name);
    } else if (channel->audit != NULL) {
        /* where this fails, the line is told again, once */
        struct error ignored;
        question_write(channel->directory, name, logged, &ignored);
    }
    jv_free(logged);
    return good;
}

static int refuse(struct error *error) {
    fail(error, STATUS_INPUT, "the request is nested too deep, or has too many members");
    return 400;
}

int question_keep(const struct channel *channel, jv question, char **name, struct error *error) {
    const char *user = json_string(question, "user");
    *name = question_name(user, json_string(question, "id"));
    int lock = question_spool_lock(channel->directory, error), status = 500;
    if (lock < 0)
        return status;
    jv there = question_read(channel->directory, *name);
    if (jv_is_valid(there))
        status = 201;
    else if (!stays_readable(channel, question))
        status = refuse(error);
    else if (!has_room(channel, user, error))
        status = 503;
    else if (keep(channel, *name, question, error))
        status = 201;
    jv_free(there);
    close(lock);
    return status;
}

/* The same for the holder of the lock. */
static enum answer_verdict answer(const struct channel *channel, const char *name, jv *question,
                                  const char *page_token, bool yes, struct error *error) {
    const char *wanted = json_string(*question, "page_token");
    if (!jv_is_valid(*question))
        return ANSWER_UNKNOWN;
    if (!question_is(*question, "open"))
        return ANSWER_OTHER;
    if (wanted == NULL || !same_secret(wanted, page_token))
        return ANSWER_FORGED;
    if (question_has_expired(*question))
        return ANSWER_LATE;
    jv before = jv_copy(*question);
    *question = json_set_string(*question, "state", "answered");
    *question = json_set_string(*question, "answer", yes ? "yes" : "no");
    *question = json_set(json_delete(*question, "notice"), "callback", jv_object());
    *question = question_log(channel, json_delete(*question, "page_token"), "answered", NULL);
    bool kept = question_write(channel->directory, name, *question, error);
    struct error ignored;
    if (!kept) /* it may stand there all the same: what is not durable must not be sent */
        question_write(channel->directory, name, before, &ignored);
    jv_free(before);
    return kept ? ANSWER_KEPT : ANSWER_FAILED;
}

enum answer_verdict question_answer(const struct channel *channel, const char *user, const char *id,
                                    const char *page_token, bool yes, struct error *error) {
    char *name = question_name(user, id);
    if (name == NULL)
        return ANSWER_UNKNOWN;
    enum answer_verdict verdict = ANSWER_FAILED;
    int lock = question_spool_lock(channel->directory, error);
    if (lock >= 0) {
        jv question = question_read(channel->directory, name);
        verdict = answer(channel, name, &question, page_token, yes, error);
        jv_free(question);
        close(lock);
    }
    free(name);
    return verdict;
}
