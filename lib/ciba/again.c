#include "ciba/again.h"

#include "approval/executor.h"
#include "approval/spent.h"
#include "document/call.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>

/* Whether the call's result, if any, says that nothing was done. */
static bool was_refused(jv call) {
    static const char *const errors[] = {"denied", "expired", "failed", "refused"};
    jv result = json_get(call, "result");
    bool refused = !jv_is_valid(result);
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        refused = refused || json_is(result, "error", errors[i]);
    jv_free(result);
    return refused;
}

/* A call whose end is not known, though it has a result or a decision. */
static bool is_open_ended(jv call, struct error *error) {
    jv authorization = json_get(call, "authorization"), result = json_get(call, "result");
    bool unknown = json_has(authorization, "attempted_at") ||
                   json_is(result, "error", "outcome_unknown") ||
                   json_is(result, "error", "already_used");
    jv_free(authorization);
    jv_free(result);
    if (unknown)
        fail(error, STATUS_INPUT,
             "not asked again: it may have been done; look whether it was, and make a new document "
             "if it was not");
    else if (call_state(call) == CALL_APPROVED)
        fail(error, STATUS_INPUT,
             "not asked again: it is approved; give it to the command that executes it, which says "
             "whether the approval still holds");
    return unknown || call_state(call) == CALL_APPROVED;
}

/* Whether the model has been told what came of the call. */
static bool is_told(jv document, jv call) {
    jv messages = json_array(document, "messages");
    bool told = false;
    jv_array_foreach(messages, i, message) {
        told = told || (json_is(message, "role", "tool") &&
                        json_is(message, "tool_call_id", call_id(call)));
        jv_free(message);
    }
    jv_free(messages);
    return told;
}

/* Whether the journal or the folder of spent approvals says that the call was executed, or begun.
 */
static bool was_executed(struct ledger *ledger, jv call) {
    struct error ignored;
    jv result;
    char *key = executor_key(call, &ignored);
    if (key == NULL)
        return false;
    enum ledger_memory memory = ledger_execution(ledger, key, &result);
    bool executed = memory == LEDGER_BEGUN ||
                    (memory == LEDGER_FINISHED && !json_is(result, "error", "refused")) ||
                    spent_has(ledger, key);
    jv_free(result);
    free(key);
    return executed;
}

/* What nobody was asked about may have no seal; a decision always has. */
static bool is_trusted(const struct ledger *ledger, jv call, struct error *error) {
    struct error why;
    jv authorization = json_get(call, "authorization");
    bool asked = json_has(authorization, "auth_req_id") || json_has(authorization, "seal") ||
                 !json_is(authorization, "status", "failed");
    jv_free(authorization);
    return ledger->seal_key == NULL || !asked || ledger_trusts(ledger, call, &why) ||
           fail(error, STATUS_INPUT, "not asked again: %s", why.text);
}

bool again_may_ask(struct ledger *ledger, jv document, jv call, struct error *error) {
    *error = (struct error){STATUS_DONE, ""};
    if (!json_has(call, "authorization") || call_state(call) == CALL_PENDING ||
        call_state(call) == CALL_NEW || is_open_ended(call, error) || !was_refused(call) ||
        !is_trusted(ledger, call, error))
        return false;
    if (is_told(document, call))
        return fail(error, STATUS_INPUT,
                    "not asked again: the model has been told its result; give it a new prompt");
    return !was_executed(ledger, call) ||
           fail(error, STATUS_INPUT,
                "not asked again: it was executed, or begun, with this "
                "approval, as the records say");
}

jv again_mark(jv call) {
    jv authorization = json_get(call, "authorization");
    return json_set(call, "authorization", json_set(authorization, "anew", jv_true()));
}

bool again_marked(jv call) {
    jv authorization = json_get(call, "authorization");
    bool marked = json_has(authorization, "anew");
    jv_free(authorization);
    return marked;
}

jv again_new_call(jv call) {
    static const char *const members[] = {"token", "result", "untold"};
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        call = json_delete(call, members[i]);
    jv nothing = json_set_string(jv_object(), "status", "failed");
    return again_mark(json_set(call, "authorization", nothing));
}
