#include "ciba/proof.h"

#include "approval/approval.h"
#include "base/clock.h"
#include "document/call.h"
#include "oauth/id_token.h"
#include "json/json.h"

enum { ASK_FOR_KEYS_SECONDS = 10 /* between tries to fetch the issuer's keys for decided calls */ };

static int refuse(jv call, int status, const char *why) {
    report(call_label(call),
           status == STATUS_NO ? "not approved any more: %s" : "nobody approved anything: %s", why);
    return status;
}

/* The status, for a gate, of a call with a result: by the decision, and that the result is no
 * error. */
static int done_status(jv call) {
    jv before = json_delete(jv_copy(call), "result"), result = json_get(call, "result");
    int status = call_exit_status(before);
    if (status == STATUS_DONE && json_has(result, "error"))
        status = refuse(call, STATUS_INPUT, "its result is an error");
    jv_free(before);
    jv_free(result);
    return status;
}

bool proof_holds(const struct proof *proof, jv call, struct error *error) {
    return ledger_gave(proof->ledger, call) && !json_has(call, "token")
               ? ledger_trusts(proof->ledger, call, error)
               : approval_holds(proof->ledger, call, proof->client->dpop_key != NULL, error);
}

/* The status of a call. For a gate, a call that nobody was asked about is not approved, nor one
 * that an executor would refuse, unless that was reported before (`complained`). */
static int call_status(const struct proof *proof, jv call, bool complained) {
    if (!proof->gate)
        return call_exit_status(call);
    if (jv_get_kind(call) != JV_KIND_OBJECT)
        return refuse(call, STATUS_INPUT, "it is no JSON object");
    struct error error;
    jv result = json_get(call, "result");
    jv_kind kind = jv_get_kind(result);
    jv_free(result);
    if (kind != JV_KIND_INVALID && kind != JV_KIND_NULL && kind != JV_KIND_OBJECT)
        return refuse(call, STATUS_INPUT, "its result is no JSON object");
    if (call_state(call) == CALL_NEW && !json_has(call, "authorization"))
        return refuse(call, STATUS_INPUT, "nobody was asked; run ciba-authorize first");
    if (call_state(call) == CALL_DONE)
        return done_status(call);
    /* Its token may have expired while waiting for another call. */
    if (call_state(call) == CALL_APPROVED && !complained && !proof_holds(proof, call, &error))
        return refuse(call, error.status, error.text);
    return call_exit_status(call);
}

int proof_document_status(const struct proof *proof, jv document, int before) {
    int status = before;
    jv calls = json_array(document, "calls");
    call_label_among(jv_array_length(jv_copy(calls)));
    jv_array_foreach(calls, i, call) {
        status = status_worse(status, call_status(proof, call, before != STATUS_DONE));
        jv_free(call);
    }
    jv_free(calls);
    return status;
}

bool proof_may_poll(const struct proof *proof, jv call, int *status) {
    struct error error;
    jv authorization = json_get(call, "authorization");
    bool ours = json_is(authorization, "issuer", proof->client->issuer.url) &&
                json_string(authorization, "auth_req_id") != NULL;
    const char *issuer = json_string(authorization, "issuer");
    if (!ours)
        report(call_label(call), "was asked at '%s'; this command is set to %s and leaves it",
               issuer != NULL ? issuer : "", proof->client->issuer.url);
    *status = ours ? *status : STATUS_CONFIG;
    if (ours && !ledger_trusts(proof->ledger, call, &error)) {
        report(call_label(call), "%s; it is left as it is", error.text);
        *status = error.status;
        ours = false;
    }
    jv_free(authorization);
    return ours;
}

/* Discovers the issuer and fetches its keys; after a failure does not retry for each document. */
static bool keys_ready(struct proof *proof, struct error *error) {
    *error = proof->no_keys;
    if (clock_elapsed() < proof->no_keys_until)
        return false;
    if (client_discover(proof->client, error) &&
        issuer_fetch_keys(&proof->client->issuer, false, error))
        return true;
    proof->no_keys = *error;
    proof->no_keys_until = clock_elapsed() + ASK_FOR_KEYS_SECONDS;
    return false;
}

/* Whether the ID token in the document proves that this user approved this request. */
static bool id_token_proves(struct proof *proof, jv authorization, jv token, struct error *error) {
    struct error why;
    bool gate = proof->gate;
    const char *id_token = json_string(token, "id_token");
    const char *user = json_string(authorization, "user");
    struct id_token_facts facts = {.user = user != NULL ? user
                                                        : json_string(authorization, "approved_by"),
                                   .auth_req_id = json_string(authorization, "auth_req_id"),
                                   .access_token = json_string(token, "access_token"),
                                   .now = gate ? clock_now() : 0,
                                   .must_name_request = gate};
    if (id_token == NULL && !gate && proof->client->without_id_token)
        return true;
    if (id_token == NULL)
        return fail(error, STATUS_INPUT,
                    "it has neither a seal that is asked for (--seal-key-file) "
                    "nor an ID token, so that nothing proves it");
    if (facts.user == NULL || facts.auth_req_id == NULL)
        return fail(error, STATUS_INPUT, "its authorization does not say who was asked");
    if (!keys_ready(proof, &why))
        return fail(error, why.status, "its ID token cannot be checked: %s", why.text);
    return id_token_verify(&proof->client->issuer, &proof->client->id_tokens, id_token, facts, NULL,
                           &why) ||
           fail(error, why.status == STATUS_UNAVAILABLE ? STATUS_UNAVAILABLE : STATUS_INPUT,
                "its ID token does not prove it (a seal would, --seal-key-file): %s", why.text);
}

/* Whether an approval in a document is valid. */
static bool is_proven(struct proof *proof, jv call, struct error *error) {
    const struct ledger *ledger = proof->ledger;
    jv authorization = json_get(call, "authorization"), token = json_get(call, "token");
    const char *issuer = json_string(authorization, "issuer");
    bool good = json_is(authorization, "issuer", proof->client->issuer.url);
    if (!good)
        fail(error, STATUS_INPUT, "it was asked at '%s', and this command is set to %s",
             issuer != NULL ? issuer : "", proof->client->issuer.url);
    else
        good = ledger_trusts(ledger, call, error);
    /* A call that may have been executed is left to the executor, which reports it. */
    bool for_executor = !proof->gate && json_has(authorization, "attempted_at");
    /* One of the store was proven when it came, unless it was of nobody knows whom. */
    bool known = json_has(authorization, "approved_by") || proof->client->without_id_token;
    bool from_store = ledger_gave(ledger, call) && known;
    if (good && ledger->seal_key == NULL && !for_executor && !from_store)
        good = id_token_proves(proof, authorization, token, error);
    jv_free(authorization);
    jv_free(token);
    return good;
}

bool proof_of_approval(struct proof *proof, jv call, int *status) {
    struct error error;
    if (is_proven(proof, call, &error))
        return true;
    *status = status_worse(*status, refuse(call, error.status, error.text));
    return false;
}
