#include "approval/ledger.h"

#include "approval/audit_facts.h"
#include "approval/lease.h"
#include "approval/lease_audit.h"
#include "approval/seal.h"
#include "base/clock.h"
#include "document/call.h"
#include "document/together.h"
#include "jose/digest.h"
#include "oauth/grant.h"
#include "json/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

bool ledger_trusts(const struct ledger *ledger, jv call, struct error *error) {
    return call_unchanged(call, error) &&
           (ledger->seal_key == NULL || seal_holds(call, ledger->seal_key, error));
}

/* The key of a question: the call's id and digest. The caller frees. */
static char *question_key(jv call) {
    struct error ignored;
    char *digest = call_digest(call, &ignored);
    char *key = must_format("%s %s", call_id(call), digest != NULL ? digest : "");
    free(digest);
    return key;
}

/* Until when a request that was about to be sent may be approved. If the time of day was set back
 * to before it, counts from now, and records that. */
static bool asked_until(struct ledger *ledger, const char *key, jv entry, double *until) {
    struct error ignored;
    double time = 0, now = clock_now();
    if (!json_is(entry, "step", "ask") || !json_number(entry, "until", until))
        return false;
    if (json_number(entry, "time", &time) && clock_went_back(time)) {
        *until = now + fmax(*until - time, 0);
        jv later = json_set(jv_object(), "until", jv_number(*until));
        journal_add(ledger->journal, "ask", key, json_set(later, "keys", json_get(entry, "keys")),
                    &ignored);
    }
    return true;
}

/* The call with the outcome of asking in the entry, if that can be trusted; else invalid. */
static jv asked_call(struct ledger *ledger, jv call, const char *key, jv entry) {
    struct error ignored;
    if (json_has(entry, "keys"))
        return shared_entry_call(&ledger->shared, entry, call, key, ledger->seal_key);
    jv asked = json_set(jv_copy(call), "authorization", json_get(entry, "authorization"));
    asked = json_set(asked, "token", json_get(entry, "token"));
    if (ledger_trusts(ledger, asked, &ignored))
        return asked;
    jv_free(asked);
    return jv_invalid();
}

enum ledger_memory ledger_question(struct ledger *ledger, jv *call, double *until, int *status) {
    if (ledger->journal == NULL)
        return LEDGER_NOTHING;
    char *key = question_key(*call);
    jv entry = journal_newest(ledger->journal, "ask", "asked", key);
    jv authorization = json_get(entry, "authorization"), known = json_get(*call, "authorization");
    const char *auth_req_id = json_string(authorization, "auth_req_id");
    enum ledger_memory memory = LEDGER_NOTHING;
    if (asked_until(ledger, key, entry, until)) {
        memory = LEDGER_BEGUN;
    } else if (auth_req_id != NULL && !json_is(known, "auth_req_id", auth_req_id)) {
        jv asked = asked_call(ledger, *call, key, entry);
        if (jv_is_valid(asked)) {
            memory = LEDGER_FINISHED;
            jv_free(*call);
            *call = ledger_tell_newest(ledger, asked, true, status);
        }
    }
    jv_free(entry);
    jv_free(authorization);
    jv_free(known);
    free(key);
    return memory;
}

/* The keys of the calls' questions. */
static jv question_keys(jv calls) {
    jv keys = jv_array();
    jv_array_foreach(calls, i, call) {
        char *key = question_key(call);
        keys = jv_array_append(keys, jv_string(key));
        free(key);
        jv_free(call);
    }
    return keys;
}

bool ledger_asking(struct ledger *ledger, jv call, double until, struct error *error) {
    if (ledger->journal == NULL)
        return true;
    char *key = question_key(call);
    jv entry = json_set(jv_object(), "until", jv_number(until));
    bool good = journal_add(ledger->journal, "ask", key, entry, error);
    free(key);
    return good;
}

bool ledger_asking_together(struct ledger *ledger, jv calls, const char *digest, double until,
                            struct error *error) {
    if (ledger->journal == NULL)
        return true;
    jv entry = json_set(jv_object(), "until", jv_number(until));
    return journal_add(ledger->journal, "ask", digest,
                       json_set(entry, "keys", question_keys(calls)), error);
}

jv ledger_asked(struct ledger *ledger, jv call, int *status) {
    if (ledger->seal_key != NULL)
        call = seal_call(call, ledger->seal_key);
    jv authorization = json_get(call, "authorization");
    /* A request that may have reached the user remains an intent. */
    if (ledger->journal != NULL && !json_has(authorization, "ask_again_at")) {
        char *key = question_key(call);
        ledger_note(ledger, call, "asked", key,
                    json_set(jv_object(), "authorization", jv_copy(authorization)), status);
        free(key);
    }
    jv_free(authorization);
    return ledger_tell_newest(ledger, call, false, status);
}

/* Takes the calls. */
static jv seal_all(const struct ledger *ledger, jv calls) {
    if (ledger->seal_key == NULL)
        return calls;
    jv sealed = jv_array();
    jv_array_foreach(calls, i, call) {
        sealed = jv_array_append(sealed, seal_call(call, ledger->seal_key));
    }
    jv_free(calls);
    return sealed;
}

jv ledger_asked_together(struct ledger *ledger, jv calls, const char *digest, int *status) {
    calls = seal_all(ledger, calls);
    jv first = jv_array_get(jv_copy(calls), 0), authorization = json_get(first, "authorization");
    if (ledger->journal != NULL && !json_has(authorization, "ask_again_at")) {
        jv keys = question_keys(calls);
        ledger_note(ledger, first, "asked", digest, shared_entry(first, keys, ledger->seal_key),
                    status);
        jv_free(keys);
    }
    jv_free(authorization);
    jv_free(first);
    return ledger_tell_newest_of_all(ledger, calls, status);
}

/* The call with the decision of an entry, if that can be trusted; else invalid. */
static jv decided_call(const struct ledger *ledger, jv call, jv entry) {
    struct error ignored;
    jv decided, own = json_get(call, "authorization");
    if (together_asked(own)) {
        decided =
            ledger_trusts(ledger, call, &ignored) && shared_entry_holds(entry, ledger->seal_key)
                ? together_decide(call, entry)
                : jv_invalid();
        if (ledger->seal_key != NULL && jv_is_valid(decided))
            decided = seal_call(decided, ledger->seal_key);
    } else {
        decided = json_set(jv_copy(call), "authorization", json_get(entry, "authorization"));
        decided = json_set(decided, "token", json_get(entry, "token"));
    }
    jv_free(own);
    if (jv_is_valid(decided) && ledger_trusts(ledger, decided, &ignored))
        return decided;
    jv_free(decided);
    return jv_invalid();
}

void ledger_waiting(struct ledger *ledger, jv call, int *status) {
    char *key = question_key(call);
    if (ledger->journal != NULL)
        ledger_note(ledger, call, "asked", key,
                    json_set(jv_object(), "authorization", json_get(call, "authorization")),
                    status);
    free(key);
}

jv ledger_remembered(struct ledger *ledger, jv call, int *status) {
    jv authorization = json_get(call, "authorization");
    const char *auth_req_id = json_string(authorization, "auth_req_id");
    if (ledger->journal != NULL && auth_req_id != NULL) {
        jv entry = journal_newest(ledger->journal, "decided", NULL, auth_req_id);
        jv noted = json_get(entry, "authorization");
        jv decided = json_is(noted, "auth_req_id", auth_req_id) ? decided_call(ledger, call, entry)
                                                                : jv_invalid();
        if (jv_is_valid(decided)) {
            jv_free(call);
            call = ledger_tell_newest(ledger, decided, true, status);
        }
        jv_free(noted);
        jv_free(entry);
    }
    jv_free(authorization);
    return call;
}

/* Puts an approval into the store that may be used again, or under which a lease begins. */
static void keep(const struct ledger *ledger, jv call, jv authorization, int *status) {
    struct error error;
    bool approved = json_is(authorization, "status", "approved");
    bool leased = approved && json_has(authorization, "lease");
    bool reusable = approved && json_has(authorization, "reuse") && ledger->store.folder != NULL;
    jv token = json_get(call, "token");
    if (leased && ledger->store.folder == NULL)
        report(call_label(call), "no lease begins: this command has no store (--store-dir)");
    else if (leased && !lease_begin(&ledger->store, authorization, token, &error))
        report_failure(status, error.status, call_label(call), "no lease begins: %s", error.text);
    if (reusable && !approval_store_put(&ledger->store, authorization, token, &error))
        report_failure(status, error.status, call_label(call),
                       "the approval is not kept for another time: %s", error.text);
    jv_free(token);
}

/* The call with an approval and token of the store, which are taken; invalid if the grant is not
 * what was asked. */
static jv with_approval(struct ledger *ledger, jv call, jv approval, jv token) {
    struct error ignored;
    bool holds = !jv_is_valid(token) || grant_fault(approval, token, &ignored) == NULL;
    char *digest = holds ? call_digest(call, &ignored) : NULL;
    if (digest == NULL) {
        jv_free(approval);
        jv_free(token);
        return jv_invalid();
    }
    free(ledger->given);
    ledger->given =
        random_name(18); /* otherwise anyone who knows its key could make two calls one execution */
    approval = json_set_string(approval, "call_digest", digest);
    approval = json_set_string(approval, "use", ledger->given);
    call = json_set(jv_copy(call), "authorization", approval);
    call = json_set(call, "token", token);
    free(digest);
    return ledger->seal_key != NULL ? seal_call(call, ledger->seal_key) : call;
}

/* Records the approval from the store in the journal, so that a run after a crash has the same
 * use. */
static void note_given(struct ledger *ledger, jv call, int *status) {
    if (ledger->journal == NULL)
        return;
    char *key = question_key(call);
    jv entry = json_set(jv_object(), "authorization", json_get(call, "authorization"));
    ledger_note(ledger, call, "asked", key, json_set(entry, "token", json_get(call, "token")),
                status);
    free(key);
}

bool ledger_reuse(struct ledger *ledger, jv authorization, jv *call, int *status) {
    jv kept = approval_store_get(&ledger->store, authorization);
    jv approval = json_get(kept, "authorization"), token = json_get(kept, "token");
    bool found = jv_is_valid(kept) && jv_is_valid(token);
    jv_free(kept);
    if (found)
        approval = json_set(approval, "reused", jv_true());
    jv given = found ? with_approval(ledger, *call, approval, token) : jv_invalid();
    if (!jv_is_valid(given))
        return false;
    jv_free(*call);
    *call = given;
    note_given(ledger, *call, status);
    if (ledger_logs(ledger) &&
        !ledger_tell(ledger, *call, audit_facts(*call, "reused"), true, status))
        *call = json_set(*call, "untold", jv_true());
    return true;
}

/* Whether the use of a lease is logged. One that was before ends the lease. */
static bool tell_use(const struct ledger *ledger, jv call, struct error *error) {
    bool stale = false;
    struct error ignored;
    size_t unreadable;
    if (ledger->audit == NULL ||
        lease_audit_use(ledger->audit, call, ledger_located(ledger, lease_audit_facts(call)),
                        &stale, error))
        return !ledger_logs_in_stage(ledger) ||
               ledger_log(ledger, JV_ARRAY(lease_audit_facts(call)), true, error);
    if (stale) {
        jv ended = jv_array(), authorization = json_get(call, "authorization");
        jv lease = json_get(authorization, "lease");
        lease_end(&ledger->store, json_string(lease, "id"), &ended, &unreadable, &ignored);
        lease_audit_end(ledger->audit, ended, error->text, &ignored);
        jv_free(lease);
        jv_free(authorization);
        jv_free(ended);
    }
    return false;
}

bool ledger_lease(struct ledger *ledger, jv offer, jv *call, int *status) {
    struct error error;
    jv kept = lease_use(&ledger->store, offer, &error), given = jv_invalid();
    if (jv_is_valid(kept))
        given =
            with_approval(ledger, *call, json_get(kept, "authorization"), json_get(kept, "token"));
    bool good = jv_is_valid(given) && tell_use(ledger, given, &error);
    jv_free(kept);
    if (good) {
        jv_free(*call);
        *call = given;
        note_given(ledger, *call, status);
    } else {
        jv_free(given);
        if (error.status != STATUS_DONE)
            report(call_label(*call), "the lease is not used: %s", error.text);
    }
    return good;
}

bool ledger_gave(const struct ledger *ledger, jv call) {
    jv authorization = json_get(call, "authorization");
    bool gave = ledger->given != NULL && json_is(authorization, "use", ledger->given);
    jv_free(authorization);
    return gave;
}

/* Notes the decision on a call. */
static void note_decision(struct ledger *ledger, jv call, int *status) {
    jv authorization = json_get(call, "authorization"), entry;
    const char *auth_req_id = json_string(authorization, "auth_req_id");
    if (together_asked(authorization)) {
        entry = shared_entry(call, jv_invalid(), ledger->seal_key);
    } else {
        entry = json_set(jv_object(), "authorization", jv_copy(authorization));
        entry = json_set(entry, "token", json_get(call, "token"));
    }
    ledger_note(ledger, call, "decided", auth_req_id != NULL ? auth_req_id : "", entry, status);
    jv_free(authorization);
}

jv ledger_decided(struct ledger *ledger, jv calls, int *status) {
    calls = seal_all(ledger, calls);
    jv first = jv_array_get(jv_copy(calls), 0);
    jv_array_foreach(calls, i, call) {
        jv authorization = json_get(call, "authorization");
        keep(ledger, call, authorization, status);
        /* One entry for all of a request, unless a call says something else of it. */
        if (ledger->journal != NULL && (i == 0 || !together_same(first, call)))
            note_decision(ledger, call, status);
        jv_free(authorization);
        jv_free(call);
    }
    jv_free(first);
    return ledger_tell_newest_of_all(ledger, calls, status);
}

/* Uses the claim of the execution begun earlier, from the journal, or a new one. */
static void choose_claim(struct ledger *ledger, const char *key) {
    jv entry = ledger->journal == NULL ? jv_invalid()
                                       : journal_newest(ledger->journal, "execute", NULL, key);
    const char *claim = json_string(entry, "claim");
    free(ledger->claim);
    ledger->claim = claim != NULL ? must_copy(claim) : random_name(18);
    jv_free(entry);
}

enum ledger_memory ledger_execution(struct ledger *ledger, const char *key, jv *result) {
    *result = jv_invalid();
    ledger->begun_before = false;
    if (ledger->journal == NULL)
        return LEDGER_NOTHING;
    jv entry = journal_newest(ledger->journal, "execute", "executed", key);
    enum ledger_memory memory = json_is(entry, "step", "executed")  ? LEDGER_FINISHED
                                : json_is(entry, "step", "execute") ? LEDGER_BEGUN
                                                                    : LEDGER_NOTHING;
    if (memory == LEDGER_FINISHED)
        *result = json_get(entry, "result");
    ledger->begun_before = memory != LEDGER_NOTHING;
    if (ledger->begun_before)
        choose_claim(ledger, key);
    jv_free(entry);
    return memory;
}

bool ledger_executing(struct ledger *ledger, const char *key, struct error *error) {
    choose_claim(ledger, key);
    return ledger->journal == NULL ||
           journal_add(ledger->journal, "execute", key,
                       json_set_string(jv_object(), "claim", ledger->claim), error);
}

jv ledger_attempted(struct ledger *ledger, jv call) {
    jv authorization = json_get(call, "authorization");
    if (!jv_is_valid(authorization))
        return call; /* it needs no approval */
    authorization = json_set(authorization, "attempted_at", jv_number(floor(clock_now())));
    call = json_set(call, "authorization", authorization);
    return ledger->seal_key != NULL ? seal_call(call, ledger->seal_key) : call;
}

jv ledger_executed(struct ledger *ledger, jv call, const char *key, jv result, bool again,
                   int *status) {
    if (!jv_is_valid(result)) {
        if (ledger_logs(ledger))
            ledger_tell(
                ledger, call,
                json_set(audit_facts(call, "unanswered"), "id", audit_event_id("", NULL, call)),
                false, status);
        return call;
    }
    if (!again && ledger->journal != NULL)
        ledger_note(ledger, call, "executed", key, json_set(jv_object(), "result", jv_copy(result)),
                    status);
    struct error ignored;
    bool sealed = ledger->seal_key != NULL && ledger_trusts(ledger, call, &ignored);
    jv actor = audit_actor(call);
    call = json_delete(json_set(call, "result", result), "token");
    call = sealed ? seal_call(call, ledger->seal_key) : call;
    if (!ledger_logs(ledger)) {
        jv_free(actor);
        return call;
    }
    jv facts = audit_newest_facts(call);
    if (jv_is_valid(actor))
        facts = json_set(facts, "act", actor);
    if (!json_has(facts,
                  "request_digest")) /* nobody was asked: the claim identifies the execution */
        facts = json_set(facts, "id", audit_event_id("executed", ledger->claim, call));
    return ledger_tell_facts(ledger, call, facts, ledger->begun_before, status);
}

void ledger_refused(struct ledger *ledger, jv call, const char *why, int *status) {
    if (ledger_logs(ledger))
        ledger_tell(ledger, call, json_set_string(audit_facts(call, "refused"), "error", why), true,
                    status);
}
