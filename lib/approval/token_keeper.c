#include "approval/token_keeper.h"

#include "approval/audit_facts.h"
#include "approval/audit_origin.h"
#include "approval/seal.h"
#include "base/clock.h"
#include "document/call.h"
#include "jose/digest.h"
#include "oauth/revocation.h"
#include "json/json.h"
#include "json/redact_json.h"

#include <stdlib.h>
#include <string.h>

enum {
    RENEWALS_LIMIT = 1000, /* of one token, followed in a journal */
    TOKEN_ROOM = 32 << 10, /* bytes in the journal */
    CLOCKS_DIFFER_SECONDS = 300
};

bool token_keeper_configure(struct token_keeper *keeper, const struct token_settings *settings,
                            const struct ledger *ledger, struct error *error) {
    *keeper = (struct token_keeper){.refresh_for = settings->refresh_for,
                                    .revoke = settings->revoke,
                                    .renewed = jv_object(),
                                    .done = jv_array()};
    if (settings->refresh_for <= 0 && !settings->revoke)
        return true;
    if (settings->refresh_for > REFRESH_SECONDS_LIMIT)
        return fail(error, STATUS_USAGE, "--refresh-for: %d seconds at most",
                    REFRESH_SECONDS_LIMIT);
    if (settings->refresh_for > 0 && ledger->seal_key == NULL)
        return fail(error, STATUS_CONFIG, "--refresh-for needs a seal: set --seal-key-file");
    keeper->active = true;
    if (!client_configure(&keeper->client, &settings->client, error))
        return false;
    audit_origin_client(keeper->client.credentials.id);
    return true;
}

void token_keeper_needs(const struct token_keeper *keeper, struct confinement *needs) {
    if (keeper->active)
        client_needs(&keeper->client, needs);
}

void token_keeper_free(struct token_keeper *keeper) {
    if (keeper->active)
        client_free(&keeper->client);
    jv_free(keeper->renewed);
    jv_free(keeper->done);
}

void token_keeper_forget(struct token_keeper *keeper) {
    if (keeper == NULL)
        return;
    jv_free(keeper->renewed);
    jv_free(keeper->done);
    keeper->renewed = jv_object();
    keeper->done = jv_array();
}

/* The name under which a token's replacement is noted; the caller frees. NULL if it cannot be
 * refreshed. */
static char *name_of(jv token) {
    const char *refresh_token = json_string(token, "refresh_token");
    return refresh_token != NULL ? digest_of(refresh_token, strlen(refresh_token)) : NULL;
}

/* An entry of the journal as a call, for the seal. */
static jv as_call(const char *name, jv token, jv authorization) {
    jv call = json_set_string(jv_object(), "id", name);
    call = json_set_string(call, "name", "refreshed token");
    return json_set(json_set(call, "authorization", authorization), "token", jv_copy(token));
}

/* Notes what replaces the token with this name, in the journal before anywhere else. */
static bool note(struct token_keeper *keeper, struct ledger *ledger, const char *name, jv token,
                 struct error *error) {
    keeper->renewed = json_set(keeper->renewed, name, jv_copy(token));
    if (ledger->journal == NULL)
        return true;
    jv sealed = seal_call(as_call(name, token, jv_object()), ledger->seal_key);
    jv entry = json_set(jv_object(), "token", jv_copy(token));
    entry = json_set(entry, "authorization", json_get(sealed, "authorization"));
    jv_free(sealed);
    return journal_add(ledger->journal, "refreshed", name, entry, error);
}

/* What replaces the token with this name; invalid if nothing does. */
static jv noted(const struct token_keeper *keeper, const struct ledger *ledger, const char *name) {
    struct error ignored;
    if (keeper != NULL && json_has(keeper->renewed, name))
        return json_get(keeper->renewed, name);
    if (ledger->journal == NULL || ledger->seal_key == NULL)
        return jv_invalid();
    jv entry = journal_newest(ledger->journal, "refreshed", NULL, name);
    jv token = json_get(entry, "token");
    jv sealed = as_call(name, token, json_get(entry, "authorization"));
    bool holds = jv_is_valid(entry) && seal_holds(sealed, ledger->seal_key, &ignored);
    jv_free(sealed);
    jv_free(entry);
    if (holds)
        return token;
    jv_free(token);
    return jv_invalid();
}

/* The call, which is trusted, with this token, which is taken. Takes the call. */
static jv with_token(const struct ledger *ledger, jv call, jv token) {
    call = json_set(call, "token", token);
    return ledger->seal_key != NULL ? seal_call(call, ledger->seal_key) : call;
}

jv token_keeper_recall(const struct token_keeper *keeper, const struct ledger *ledger, jv call) {
    struct error ignored;
    if (ledger->seal_key == NULL || !ledger_trusts(ledger, call, &ignored))
        return call;
    for (int i = 0; i < RENEWALS_LIMIT; i++) {
        jv token = json_get(call, "token");
        char *name = name_of(token);
        jv newer = name != NULL ? noted(keeper, ledger, name) : jv_invalid();
        char *next = name_of(newer);
        bool found = name != NULL && jv_is_valid(newer) && !json_equal(newer, token);
        bool last = !found || next == NULL || strcmp(next, name) == 0;
        if (found)
            call = with_token(ledger, call, newer);
        else
            jv_free(newer);
        jv_free(token);
        free(name);
        free(next);
        if (last)
            break;
    }
    return call;
}

bool token_keeper_may_renew(const struct token_keeper *keeper, jv call) {
    double asked_at, now = clock_now();
    if (keeper == NULL || !keeper->active || keeper->refresh_for <= 0)
        return false;
    jv authorization = json_get(call, "authorization"), token = json_get(call, "token");
    bool may = json_string(token, "refresh_token") != NULL &&
               json_is(authorization, "issuer", keeper->client.issuer.url) &&
               !json_has(authorization, "use") && !json_has(authorization, "reused") &&
               json_number(authorization, "requested_at", &asked_at) &&
               asked_at <= now + CLOCKS_DIFFER_SECONDS && now - asked_at <= keeper->refresh_for;
    jv_free(authorization);
    jv_free(token);
    return may;
}

/* Logs that the token of the call was refreshed. */
static void tell(const struct ledger *ledger, jv call) {
    struct error error;
    if (ledger_logs(ledger) &&
        !ledger_log(ledger, JV_ARRAY(audit_facts(call, "refreshed")), false, &error))
        report(call_label(call), "cannot write the audit log: %s", error.text);
}

enum refresh_outcome token_keeper_renew(struct token_keeper *keeper, struct ledger *ledger,
                                        jv *call, struct error *error) {
    jv authorization = json_get(*call, "authorization"), token = json_get(*call, "token"), fresh;
    enum refresh_outcome outcome = REFRESH_FAILED;
    redact_know_token(token);
    if (ledger_reserve(ledger, TOKEN_ROOM, error))
        outcome = token_refresh(&keeper->client, authorization, token, &fresh, error);
    redact_forget_token(token);
    if (outcome == REFRESHED) {
        char *name = name_of(token);
        if (!note(keeper, ledger, name, fresh, error))
            outcome = REFRESH_FAILED;
        *call = with_token(ledger, *call, fresh);
        tell(ledger, *call);
        free(name);
    }
    jv_free(authorization);
    jv_free(token);
    return outcome;
}

void token_keeper_done(struct token_keeper *keeper, jv call) {
    if (keeper == NULL || !keeper->revoke)
        return;
    jv authorization = json_get(call, "authorization"), token = json_get(call, "token");
    bool again = json_has(authorization, "reuse") || json_has(authorization, "reused") ||
                 json_has(authorization, "lease") || json_has(authorization, "use");
    bool ours = json_is(authorization, "issuer", keeper->client.issuer.url);
    if (jv_get_kind(token) == JV_KIND_OBJECT && ours && !again)
        keeper->done = jv_array_append(keeper->done, jv_copy(token));
    jv_free(authorization);
    jv_free(token);
}

/* Whether both have a token of this kind that is the same. */
static bool share(jv one, jv other, const char *kind) {
    const char *text = json_string(one, kind);
    return text != NULL && json_is(other, kind, text);
}

static bool is_held(jv token, jv document) {
    jv calls = json_array(document, "calls");
    bool held = false;
    jv_array_foreach(calls, i, call) {
        jv its = json_get(call, "token");
        held = held || share(token, its, "access_token") || share(token, its, "refresh_token");
        jv_free(its);
        jv_free(call);
    }
    jv_free(calls);
    return held;
}

/* Whether an earlier one of the tokens is the same. */
static bool is_earlier(jv tokens, int place) {
    jv token = jv_array_get(jv_copy(tokens), place);
    bool found = false;
    for (int i = 0; i < place && !found; i++) {
        jv earlier = jv_array_get(jv_copy(tokens), i);
        found = json_equal(earlier, token);
        jv_free(earlier);
    }
    jv_free(token);
    return found;
}

void token_keeper_revoke(struct token_keeper *keeper, jv document) {
    struct error error;
    if (keeper == NULL || !keeper->revoke)
        return;
    jv tokens = keeper->done;
    keeper->done = jv_array();
    jv_array_foreach(tokens, i, token) {
        redact_know_token(token);
        if (!is_earlier(tokens, i) && !is_held(token, document) &&
            !token_revoke(&keeper->client, token, &error))
            report(NULL, "a call is done, but %s", error.text);
        redact_forget_token(token);
        jv_free(token);
    }
    jv_free(tokens);
}
