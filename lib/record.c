#include "record.h"

#include "audit.h"
#include "call.h"
#include "clock.h"
#include "config.h"
#include "digest.h"
#include "durable.h"
#include "grant.h"
#include "json.h"
#include "seal.h"
#include "spent.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool key_is_long(const char *key, const char *whose, struct error *error) {
    return key == NULL || strlen(key) >= SEAL_KEY_LEAST ||
           fail(error, STATUS_CONFIG,
                "the %s's key is shorter than %d characters; openssl rand -hex 32 makes one", whose,
                SEAL_KEY_LEAST);
}

bool record_configure(struct record *record, const struct record_settings *settings,
                      struct error *error) {
    *record = (struct record){.journal_path = config_get(settings->journal, "CIBA_JOURNAL", NULL),
                              .audit = config_get(settings->audit, "CIBA_AUDIT", NULL),
                              .spent_folder = config_get(settings->spent, "CIBA_SPENT", NULL)};
    if (!config_secret(&record->seal_key, error, settings->seal_key_file, "CIBA_SEAL_KEY", NULL))
        return false;
    record->store.folder = config_get(settings->store, "CIBA_STORE", NULL);
    if (record->store.folder != NULL &&
        !config_secret(&record->store.key, error, settings->store_key_file, "CIBA_STORE_KEY", NULL))
        return false;
    if (record->store.folder != NULL && record->store.key == NULL)
        return fail(error, STATUS_CONFIG, "the store has no key: set --store-key-file");
    return key_is_long(record->seal_key, "seal", error) &&
           key_is_long(record->store.key, "store", error);
}

void record_free(struct record *record) {
    journal_close(record->journal);
    journal_close(record->spending);
    free(record->claim);
    record->journal = record->spending = NULL;
    record->claim = NULL;
}

void record_needs(const struct record *record, struct confinement *needs) {
    confine_add(needs->writes, record->journal_path);
    confine_add(needs->writes, record->audit);
    confine_add(needs->writes, record->store.folder);
    confine_add(needs->writes, record->spent_folder);
}

bool record_begin(struct record *record, struct error *error) {
    if (record->journal_path == NULL)
        return true;
    if (record->begun)
        return fail(error, STATUS_INPUT,
                    "the journal %s is for one document, and this is another; it is left as it is",
                    record->journal_path);
    record->begun = true;
    return (record->journal = journal_open(record->journal_path, error)) != NULL;
}

bool record_trusts(const struct record *record, jv call, struct error *error) {
    return call_unchanged(call, error) &&
           (record->seal_key == NULL || seal_holds(call, record->seal_key, error));
}

/* A word in the line of an audit log that is the same whenever the same is told. */
static jv event_id(const char *event, const char *auth_req_id, jv call) {
    char *name =
        auth_req_id != NULL ? must_format("%s\n%s\n%s", event, auth_req_id, call_id(call)) : NULL;
    char *digest = name != NULL ? digest_of(name, strlen(name)) : random_name(32);
    jv id = jv_string(name != NULL ? digest + strlen("sha-256:") : digest);
    free(name);
    free(digest);
    return id;
}

/* What the log tells of a call: who was asked what, and of which call. No token; of the auth_req_id
 * the digest, by which lines and requests can be matched. */
static jv audit_facts(jv call, const char *event) {
    static const char *const told[] = {"issuer",
                                       "user",
                                       "approved_by",
                                       "login_hint",
                                       "scope",
                                       "audience",
                                       "binding_message",
                                       "call_digest",
                                       "expires_at",
                                       "reused",
                                       "error",
                                       "error_description",
                                       "authorization_details"};
    jv facts = json_set_string(jv_object(), "event", event);
    jv authorization = json_get(call, "authorization");
    const char *auth_req_id = json_string(authorization, "auth_req_id");
    facts = json_set(facts, "id", event_id(event, auth_req_id, call));
    facts = json_set_string(facts, "call", call_id(call));
    facts = json_set_string(facts, "tool", json_string(call, "name"));
    for (size_t i = 0; i < sizeof told / sizeof *told; i++)
        if (json_has(authorization, told[i]))
            facts = json_set(facts, told[i], json_get(authorization, told[i]));
    if (auth_req_id != NULL) {
        char *digest = digest_of(auth_req_id, strlen(auth_req_id));
        facts = json_set_string(facts, "request_digest", digest);
        free(digest);
    }
    if (!json_has(facts, "call_digest")) {
        struct error ignored;
        char *digest = call_digest(call, &ignored);
        facts = json_set_string(facts, "call_digest", digest);
        free(digest);
    }
    jv_free(authorization);
    return facts;
}

/* Appends to the audit log, which is kept; complains where that fails. Takes the facts. */
static bool tell(const struct record *record, jv call, jv facts, bool again, int *status) {
    struct error error;
    if (audit_append(record->audit, facts, again, &error))
        return true;
    complain(call_id(call), "not told in the audit log: %s", error.text);
    *status = status_worse(*status, error.status);
    return false;
}

/* The facts of what the call has come to: executed, decided, or asked. */
static jv newest_facts(jv call) {
    jv authorization = json_get(call, "authorization"), result = json_get(call, "result");
    const char *state = json_string(authorization, "status");
    bool executed = jv_is_valid(result), asked = state != NULL && strcmp(state, "pending") == 0;
    bool nobody = state != NULL && !json_has(authorization, "auth_req_id");
    const char *event = executed ? "executed" : asked ? "asked" : nobody ? "not_asked" : state;
    jv facts = audit_facts(call, event != NULL ? event : "failed");
    double code;
    if (executed) {
        facts = json_delete(json_delete(facts, "error"), "error_description");
        facts = json_set_string(facts, "error", json_string(result, "error"));
    }
    if (json_number(result, "status", &code))
        facts = json_set(facts, "status", jv_number(code));
    jv_free(authorization);
    jv_free(result);
    return facts;
}

/* Tells what the call has come to; where that cannot be, the call says so, and the next command
 * that has it tells it. Takes the call. */
static jv tell_newest(const struct record *record, jv call, bool again, int *status) {
    struct error ignored;
    if (record->audit == NULL)
        return call;
    bool sealed = record->seal_key != NULL && record_trusts(record, call, &ignored);
    bool was_untold = json_has(call, "untold");
    bool untold = !tell(record, call, newest_facts(call), again, status);
    if (untold == was_untold)
        return call;
    call = untold ? json_set(call, "untold", jv_true()) : json_delete(call, "untold");
    return sealed ? seal_call(call, record->seal_key) : call;
}

/* With a seal only what it covers is believed: a document could make up what was done. */
jv record_catch_up(struct record *record, jv call, int *status) {
    struct error ignored;
    if (!json_has(call, "untold"))
        return call;
    if (record->seal_key != NULL && !record_trusts(record, call, &ignored))
        return call;
    return tell_newest(record, call, true, status);
}

/* Writes an outcome down in the journal, which is open; complains where that fails. */
static void note(struct record *record, jv call, const char *step, const char *key, jv entry,
                 int *status) {
    struct error error;
    if (!journal_add(record->journal, step, key, entry, &error)) {
        complain(call_id(call), "not written down: %s", error.text);
        *status = status_worse(*status, error.status);
    }
}

/* The key of a question: the call's id and digest. The caller frees. */
static char *question_key(jv call) {
    struct error ignored;
    char *digest = call_digest(call, &ignored);
    char *key = must_format("%s %s", call_id(call), digest != NULL ? digest : "");
    free(digest);
    return key;
}

enum record_memory record_question(struct record *record, jv *call, double *until, int *status) {
    if (record->journal == NULL)
        return RECORD_NOTHING;
    char *key = question_key(*call);
    jv entry = journal_newest(record->journal, "ask", "asked", key);
    jv authorization = json_get(entry, "authorization"), known = json_get(*call, "authorization");
    const char *auth_req_id = json_string(authorization, "auth_req_id");
    enum record_memory memory = RECORD_NOTHING;
    if (json_is(entry, "step", "ask") && json_number(entry, "until", until)) {
        memory = RECORD_BEGUN;
    } else if (auth_req_id != NULL && !json_is(known, "auth_req_id", auth_req_id)) {
        struct error ignored;
        jv asked = json_set(jv_copy(*call), "authorization", jv_copy(authorization));
        if (json_has(entry, "token"))
            asked = json_set(asked, "token", json_get(entry, "token"));
        if (record_trusts(record, asked, &ignored)) {
            memory = RECORD_FINISHED;
            jv_free(*call);
            *call = tell_newest(record, asked, true, status);
        } else {
            jv_free(asked);
        }
    }
    jv_free(entry);
    jv_free(authorization);
    jv_free(known);
    free(key);
    return memory;
}

bool record_asking(struct record *record, jv call, double until, struct error *error) {
    if (record->journal == NULL)
        return true;
    char *key = question_key(call);
    jv entry = json_set(jv_object(), "until", jv_number(until));
    bool good = journal_add(record->journal, "ask", key, entry, error);
    free(key);
    return good;
}

jv record_asked(struct record *record, jv call, int *status) {
    if (record->seal_key != NULL)
        call = seal_call(call, record->seal_key);
    jv authorization = json_get(call, "authorization");
    /* A request that may have reached the user stays an intent. */
    if (record->journal != NULL && !json_is(authorization, "error", "outcome_unknown")) {
        char *key = question_key(call);
        note(record, call, "asked", key,
             json_set(jv_object(), "authorization", jv_copy(authorization)), status);
        free(key);
    }
    jv_free(authorization);
    return tell_newest(record, call, false, status);
}

jv record_remembered(struct record *record, jv call, int *status) {
    jv authorization = json_get(call, "authorization");
    const char *auth_req_id = json_string(authorization, "auth_req_id");
    if (record->journal != NULL && auth_req_id != NULL) {
        struct error ignored;
        jv entry = journal_newest(record->journal, "decided", NULL, auth_req_id);
        jv noted = json_get(entry, "authorization");
        bool ours = json_is(noted, "auth_req_id", auth_req_id);
        jv_free(noted);
        jv decided = jv_copy(call), token = json_get(entry, "token");
        decided = json_set(decided, "authorization", json_get(entry, "authorization"));
        if (jv_is_valid(token))
            decided = json_set(decided, "token", token);
        if (ours && record_trusts(record, decided, &ignored)) {
            jv_free(call);
            call = tell_newest(record, decided, true, status);
        } else {
            jv_free(decided);
        }
        jv_free(entry);
    }
    jv_free(authorization);
    return call;
}

/* Puts an approval into the store, where it is one that may be used again. */
static void keep(const struct record *record, jv call, jv authorization, int *status) {
    struct error error;
    jv token = json_get(call, "token");
    if (record->store.folder != NULL && json_is(authorization, "status", "approved") &&
        json_has(authorization, "reuse") &&
        !store_put(&record->store, authorization, token, &error)) {
        complain(call_id(call), "not kept for another time: %s", error.text);
        *status = status_worse(*status, error.status);
    }
    jv_free(token);
}

bool record_reuse(struct record *record, jv authorization, jv *call, int *status) {
    struct error ignored;
    jv kept = store_get(&record->store, authorization), token = json_get(kept, "token");
    bool found = jv_is_valid(kept) && grant_fault(authorization, token, &ignored) == NULL;
    jv_free(token);
    if (!found) {
        jv_free(kept);
        return false;
    }
    char *use = random_name(18); /* else two calls would be one execution to who knows its key */
    jv approval = json_set(json_get(kept, "authorization"), "reused", jv_true());
    approval = json_set(approval, "call_digest", json_get(authorization, "call_digest"));
    approval = json_set_string(approval, "use", use);
    free(use);
    *call = json_set(json_set(*call, "authorization", approval), "token", json_get(kept, "token"));
    if (record->seal_key != NULL)
        *call = seal_call(*call, record->seal_key);
    if (record->journal != NULL) { /* so that a run after a crash has the same use of it */
        char *key = question_key(*call);
        jv entry = json_set(jv_object(), "authorization", json_get(*call, "authorization"));
        note(record, *call, "asked", key, json_set(entry, "token", json_get(*call, "token")),
             status);
        free(key);
    }
    if (record->audit != NULL && !tell(record, *call, audit_facts(*call, "reused"), true, status))
        *call = json_set(*call, "untold", jv_true());
    jv_free(kept);
    return true;
}

jv record_decided(struct record *record, jv call, int *status) {
    if (record->seal_key != NULL)
        call = seal_call(call, record->seal_key);
    jv authorization = json_get(call, "authorization");
    const char *auth_req_id = json_string(authorization, "auth_req_id");
    keep(record, call, authorization, status);
    if (record->journal != NULL) {
        jv entry = json_set(jv_object(), "authorization", jv_copy(authorization));
        if (json_has(call, "token"))
            entry = json_set(entry, "token", json_get(call, "token"));
        note(record, call, "decided", auth_req_id != NULL ? auth_req_id : "", entry, status);
    }
    jv_free(authorization);
    return tell_newest(record, call, false, status);
}

enum record_memory record_execution(struct record *record, const char *key, jv *result) {
    *result = jv_invalid();
    if (record->journal == NULL)
        return RECORD_NOTHING;
    jv entry = journal_newest(record->journal, "execute", "executed", key);
    enum record_memory memory = json_is(entry, "step", "executed")  ? RECORD_FINISHED
                                : json_is(entry, "step", "execute") ? RECORD_BEGUN
                                                                    : RECORD_NOTHING;
    if (memory == RECORD_FINISHED)
        *result = json_get(entry, "result");
    jv_free(entry);
    return memory;
}

/* The claim of the execution that was begun before, as the journal has it, or a new one. */
static void choose_claim(struct record *record, const char *key) {
    jv entry = record->journal == NULL ? jv_invalid()
                                       : journal_newest(record->journal, "execute", NULL, key);
    const char *claim = json_string(entry, "claim");
    free(record->claim);
    record->claim = claim != NULL ? must_copy(claim) : random_name(18);
    jv_free(entry);
}

bool record_executing(struct record *record, const char *key, struct error *error) {
    choose_claim(record, key);
    return record->journal == NULL ||
           journal_add(record->journal, "execute", key,
                       json_set_string(jv_object(), "claim", record->claim), error);
}

enum record_spending record_spend(struct record *record, jv call, const char *key, bool *again,
                                  struct error *error) {
    if (record->spent_folder == NULL)
        return SPENT_NOW;
    char *path = spent_path(record->spent_folder, call, key);
    record->spending =
        durable_folder(record->spent_folder, error) ? journal_open(path, error) : NULL;
    free(path);
    if (record->spending == NULL)
        return SPENT_ERROR;
    jv entry = journal_newest(record->spending, "execute", "executed", key);
    bool free_to_use = !jv_is_valid(entry) || json_has(entry, "released");
    bool ours = json_is(entry, "claim", record->claim);
    bool used = json_is(entry, "step", "executed");
    jv_free(entry);
    enum record_spending spending = SPENT_NOW;
    if (free_to_use) {
        entry = json_set_string(jv_object(), "claim", record->claim);
        if (!journal_add(record->spending, "execute", key, entry, error))
            spending = SPENT_ERROR;
    } else if (ours && !used) {
        *again = true;
    } else {
        spending = used && !ours ? SPENT_BEFORE : SPENT_UNKNOWN;
    }
    if (spending != SPENT_NOW) {
        journal_close(record->spending);
        record->spending = NULL;
    }
    return spending;
}

void record_spent(struct record *record, jv call, const char *key, enum record_use use,
                  int *status) {
    struct error error;
    if (record->spending == NULL)
        return;
    jv entry = json_set_string(jv_object(), "claim", record->claim);
    if (use == NOT_USED)
        entry = json_set(entry, "released", jv_true());
    if (use == USE_UNKNOWN) {
        jv_free(entry);
    } else if (!journal_add(record->spending, "executed", key, entry, &error)) {
        complain(call_id(call), "not written down: %s", error.text);
        *status = status_worse(*status, error.status);
    }
    journal_close(record->spending);
    record->spending = NULL;
}

jv record_attempted(struct record *record, jv call) {
    jv authorization = json_get(call, "authorization");
    if (!jv_is_valid(authorization))
        return call; /* one that needs no approval */
    authorization = json_set(authorization, "attempted_at", jv_number(floor(clock_now())));
    call = json_set(call, "authorization", authorization);
    return record->seal_key != NULL ? seal_call(call, record->seal_key) : call;
}

jv record_executed(struct record *record, jv call, const char *key, jv result, bool again,
                   int *status) {
    if (!jv_is_valid(result)) {
        if (record->audit != NULL)
            tell(record, call,
                 json_set(audit_facts(call, "unanswered"), "id", event_id("", NULL, call)), false,
                 status);
        return call;
    }
    if (!again && record->journal != NULL)
        note(record, call, "executed", key, json_set(jv_object(), "result", jv_copy(result)),
             status);
    struct error ignored;
    bool sealed = record->seal_key != NULL && record_trusts(record, call, &ignored);
    call = json_delete(json_set(call, "result", result), "token");
    return tell_newest(record, sealed ? seal_call(call, record->seal_key) : call, again, status);
}

void record_refused(struct record *record, jv call, const char *why, int *status) {
    if (record->audit != NULL)
        tell(record, call, json_set_string(audit_facts(call, "refused"), "error", why), true,
             status);
}

bool record_started(struct record *record, jv call, struct error *error) {
    return record->audit == NULL ||
           audit_append(record->audit, audit_facts(call, "started"), false, error);
}
