#include "approval/executor.h"

#include "approval/approval.h"
#include "approval/seal.h"
#include "approval/spent.h"
#include "document/call.h"
#include "document/step.h"
#include "document/together.h"
#include "document/tool_names.h"
#include "jose/digest.h"
#include "json/json.h"
#include "json/redact_json.h"

#include <stdlib.h>
#include <string.h>

jv executor_result(int status, const char *error, jv content) {
    jv result = jv_object();
    if (status >= 0)
        result = json_set(result, "status", jv_number(status));
    return json_set(json_set_string(result, "error", error), "content", redact_json(content));
}

bool executor_is_refusal(long http_status) {
    static const long refusals[] = {400, 401, 402, 403, 404, 405, 406, 410, 411, 412, 413,
                                    414, 415, 416, 417, 421, 422, 426, 428, 431, 451};
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
        if (http_status == refusals[i])
            return true;
    return false;
}

/* One approval is one execution, so the key is made from the auth_req_id, which of its uses this is
 * (ledger_reuse), what was approved, and its place among the calls that were asked about together;
 * for a call that needs no approval, from the call's id and content. */
char *executor_key(jv call, struct error *error) {
    jv authorization = json_get(call, "authorization");
    jv name = json_get(authorization, "auth_req_id"), use = json_get(authorization, "use");
    char *digest = call_digest(call, error), *key = NULL;
    if (digest != NULL) {
        jv parts = JV_ARRAY(jv_is_valid(name) ? name : jv_string(call_id(call)),
                            jv_is_valid(use) ? use : jv_null(), jv_string(digest));
        if (together_asked(authorization))
            parts = jv_array_append(parts, jv_number(together_index(authorization)));
        char *text = json_canonical(parts, error);
        char *named = text != NULL ? digest_of(text, strlen(text)) : NULL;
        key = named != NULL ? must_copy(named + strlen("sha-256:")) : NULL;
        jv_free(parts);
        free(text);
        free(named);
    } else {
        jv_free(name);
        jv_free(use);
    }
    jv_free(authorization);
    free(digest);
    return key;
}

/* The result of a call that the user or the provider did not allow. */
static jv refusal(jv call, enum call_state state) {
    jv authorization = json_get(call, "authorization");
    const char *why = json_string(authorization, "error_description");
    const char *code = json_string(authorization, "error");
    char *words;
    if (state == CALL_DENIED)
        words = must_copy("The user denied the request. Nothing was done.");
    else if (state == CALL_EXPIRED)
        words = must_copy("The user did not answer in time, the request has expired. "
                          "Nothing was done.");
    else
        words = must_format("%s (%s%s%s). Nothing was done.",
                            json_has(authorization, "auth_req_id")
                                ? "No approval that holds came, or the user could not be asked"
                                : "The user could not be asked",
                            code ? code : "unknown error", why ? ": " : "", why ? why : "");
    jv result = executor_result(-1,
                                state == CALL_DENIED    ? "denied"
                                : state == CALL_EXPIRED ? "expired"
                                                        : "failed",
                                jv_string(words));
    jv_free(authorization);
    free(words);
    return result;
}

/* The call, which was not executed, with the result that says why, and without its token; sealed
 * again if its seal holds, so that --again can trust it. Takes call and result. */
static jv end_undone(const struct executor *executor, jv call, jv result) {
    const struct ledger *ledger = executor->ledger;
    struct error ignored;
    bool sealed = ledger->seal_key != NULL && ledger_trusts(ledger, call, &ignored);
    call = json_delete(json_set(call, "result", result), "token");
    return sealed ? seal_call(call, ledger->seal_key) : call;
}

/* Ends a call that may have been executed and is not retried. Takes the call. */
static jv leave_unknown(const struct executor *executor, jv call, const char *key, const char *why,
                        int *status) {
    char *words = must_format("It was begun, and it is not known whether it was done; %s. Look "
                              "whether it was before doing it again.",
                              why);
    report_failure(status, STATUS_UNAVAILABLE, call_label(call),
                   "it was begun before, and it is not known whether it was done; %s", why);
    jv result = executor_result(-1, "outcome_unknown", jv_string(words));
    free(words);
    return ledger_executed(executor->ledger, call, key, result, false, status);
}

/* Ends a call whose approval is refused. Takes the call. */
static jv refuse(const struct executor *executor, jv call, const struct error *error, int *status) {
    char *words = must_format("Refused: %s. Nothing was done.", error->text);
    report_failure(status, error->status, call_label(call), "refused: %s", error->text);
    ledger_refused(executor->ledger, call, error->text, status);
    jv result = executor_result(-1, "refused", jv_string(words));
    free(words);
    return end_undone(executor, call, result);
}

/* Ends a call whose approval has been used: for this document, whose outcome was lost, or for
 * another. Takes the call. */
static jv used_before(const struct executor *executor, jv call, int *status) {
    report_failure(status, STATUS_INPUT, call_label(call),
                   "refused: its approval has been used before");
    ledger_refused(executor->ledger, call, "its approval has been used before", status);
    return json_set(call, "result",
                    executor_result(-1, "already_used",
                                    jv_string("The approval has been used before: it was done, or "
                                              "tried, then. It was not done again.")));
}

/* The call with its arguments as they were digested, for execution. */
static jv normal_call(jv call) {
    struct error ignored;
    jv arguments = json_get(call, "arguments"), normal = json_normal(arguments, &ignored);
    jv_free(arguments);
    return jv_is_valid(normal) ? json_set(jv_copy(call), "arguments", normal) : jv_copy(call);
}

/* Whether the approval may be used; if not, ends *call if possible. */
static bool may_spend(const struct executor *executor, jv *call, struct attempt *attempt,
                      int *status) {
    struct error error;
    if (!executor->spends || attempt->access_token == NULL)
        return true;
    switch (spent_begin(executor->ledger, *call, attempt->key, &attempt->again, &error)) {
    case SPENT_NOW:
        return true;
    case SPENT_BEFORE:
        *call = used_before(executor, *call, status);
        return false;
    case SPENT_UNKNOWN:
        *call = leave_unknown(executor, *call, attempt->key, "an approval is used once", status);
        return false;
    case SPENT_ERROR:
        break;
    }
    report_failure(status, error.status, call_label(*call), "%s; nothing was done", error.text);
    return false;
}

/* The call after its execution. Takes call and result. */
static jv end_execution(const struct executor *executor, jv call, const struct attempt *attempt,
                        enum execution outcome, jv result, int *status) {
    struct ledger *ledger = executor->ledger;
    if (outcome == EXECUTION_REFUSED && attempt->again) {
        jv_free(result);
        return leave_unknown(executor, call, attempt->key, "the next try was not accepted", status);
    }
    if (outcome == EXECUTION_UNKNOWN)
        call = ledger_attempted(ledger, call);
    return ledger_executed(ledger, call, attempt->key, result, false, status);
}

/* The result of a call whose token has ended, and was not refreshed. */
static jv ended_token(jv call, const struct error *error, int *status) {
    char *words = must_format("Refused: %s. Nothing was done.", error->text);
    report_failure(status, error->status, call_label(call), "refused: %s", error->text);
    jv result = executor_result(-1, "refused", jv_string(words));
    free(words);
    return result;
}

/* Works on the call with a new token. Sets *call to the one that has it. */
static enum execution work_renewed(const struct executor *executor, jv *call, jv normal,
                                   struct attempt attempt, jv *result, int *status) {
    struct error error;
    enum refresh_outcome outcome =
        token_keeper_renew(executor->tokens, executor->ledger, call, &error);
    if (outcome == REFRESH_FAILED) {
        report_failure(status, error.status, call_label(*call), "%s; nothing was done", error.text);
        return EXECUTION_NOT_BEGUN;
    }
    if (outcome == REFRESH_REFUSED ||
        !approval_holds(executor->ledger, *call, executor->proves_key, &error)) {
        *result = ended_token(*call, &error, status);
        return EXECUTION_REFUSED;
    }
    jv token = json_get(*call, "token");
    attempt.access_token = json_string(token, "access_token");
    attempt.may_renew = false;
    redact_know_token(token);
    enum execution execution = executor->work(executor->context, normal, &attempt, result, status);
    redact_forget_token(token);
    jv_free(token);
    return execution;
}

/* Executes the call, with the intent on the disk before and the outcome after. Takes the call. */
static jv execute(const struct executor *executor, jv call, struct attempt attempt, int *status) {
    struct ledger *ledger = executor->ledger;
    struct error error;
    if (!ledger_executing(ledger, attempt.key, &error)) {
        report_failure(status, error.status, call_label(call), "%s; nothing was done", error.text);
        return call;
    }
    if (!may_spend(executor, &call, &attempt, status))
        return call;
    jv normal = normal_call(call), result = jv_invalid();
    enum execution outcome = executor->work(executor->context, normal, &attempt, &result, status);
    if (outcome == EXECUTION_TOKEN_ENDED)
        outcome = work_renewed(executor, &call, normal, attempt, &result, status);
    call = end_execution(executor, call, &attempt, outcome, result, status);
    spent_end(ledger, normal, attempt.key,
              outcome == EXECUTION_DONE      ? USED
              : outcome == EXECUTION_UNKNOWN ? USE_UNKNOWN
                                             : NOT_USED,
              status);
    jv_free(normal);
    return call;
}

/* Whether the call says that it may have been executed, and can be trusted. */
static bool was_attempted(const struct ledger *ledger, jv call) {
    struct error ignored;
    jv authorization = json_get(call, "authorization");
    bool attempted = json_has(authorization, "attempted_at");
    jv_free(authorization);
    return attempted && ledger_trusts(ledger, call, &ignored);
}

/* Executes an approved call, if its approval holds. Takes the call. */
static jv execute_approved(const struct executor *executor, jv call, struct attempt attempt,
                           int *status) {
    struct error error;
    call = token_keeper_recall(executor->tokens, executor->ledger, call);
    bool holds = approval_holds(executor->ledger, call, executor->proves_key, &error);
    bool has_ended = !holds && error.status == STATUS_NO;
    attempt.may_renew = token_keeper_may_renew(executor->tokens, call);
    if (has_ended && attempt.may_renew) {
        attempt.may_renew = false; /* once is enough */
        enum refresh_outcome outcome =
            token_keeper_renew(executor->tokens, executor->ledger, &call, &error);
        if (outcome == REFRESH_FAILED) {
            report_failure(status, error.status, call_label(call), "%s; nothing was done",
                           error.text);
            return call;
        }
        holds = outcome == REFRESHED &&
                approval_holds(executor->ledger, call, executor->proves_key, &error);
    }
    if (!holds && attempt.again)
        return leave_unknown(executor, call, attempt.key, error.text, status);
    if (!holds)
        return refuse(executor, call, &error, status);
    jv token = json_get(call, "token");
    char *access_token = must_copy(json_string(token, "access_token"));
    attempt.access_token = access_token;
    attempt.is_dpop = approval_is_dpop(call);
    redact_know_token(token);
    call = execute(executor, call, attempt, status);
    redact_forget_token(token);
    free(access_token);
    jv_free(token);
    return call;
}

/* Executes a call that is approved, or needs no approval, unless it is in the journal already.
 * Takes the call. */
static jv execute_once(const struct executor *executor, jv call, bool approved, int *status) {
    jv result;
    struct error error;
    char *key = executor_key(call, &error);
    if (key == NULL) {
        call = refuse(executor, call, &error, status);
        return json_delete(call, "token");
    }
    enum ledger_memory memory = ledger_execution(executor->ledger, key, &result);
    bool again = memory == LEDGER_BEGUN || was_attempted(executor->ledger, call);
    struct attempt attempt = {.key = key, .again = again};
    if (memory == LEDGER_FINISHED)
        call = ledger_executed(executor->ledger, call, key, result, true, status);
    else if (again && executor->at_most_once)
        call = leave_unknown(executor, call, key, "it is not to be done twice", status);
    else if (approved)
        call = execute_approved(executor, call, attempt, status);
    else
        call = execute(executor, call, attempt, status);
    free(key);
    return json_has(call, "result") ? json_delete(call, "token") : call;
}

/* The same for an approved call, whose tokens are done when it has its result. Takes the call. */
static jv execute_with_token(const struct executor *executor, jv call, int *status) {
    struct error ignored;
    jv before = jv_copy(call);
    call = execute_once(executor, call, true, status);
    if (json_has(call, "result") && ledger_trusts(executor->ledger, before, &ignored)) {
        before = token_keeper_recall(executor->tokens, executor->ledger, before);
        token_keeper_done(executor->tokens, before);
    }
    jv_free(before);
    return call;
}

static bool is_of_tools(const struct executor *executor, jv call) {
    for (const char *const *tool = executor->tools; *tool != NULL; tool++)
        if (json_is(call, "name", *tool))
            return true;
    jv name = json_get(call, "name");
    const char *its = json_value_string(name);
    if (executor->tools[0] != NULL && executor->tools[1] == NULL)
        report_verbose(call_label(call), "left as it is: it is of the tool '%s', not of '%s'",
                       its != NULL ? its : "", executor->tools[0]);
    else
        report_verbose(call_label(call), "left as it is: it is of the tool '%s'",
                       its != NULL ? its : "");
    jv_free(name);
    return false;
}

static jv executor_call(void *context, jv call, int *status) {
    const struct executor *executor = context;
    enum call_state state = call_state(call);
    if (!is_of_tools(executor, call) || state == CALL_DONE)
        return ledger_catch_up(executor->ledger, call, status);
    call = ledger_catch_up(executor->ledger, call, status);
    if (state == CALL_APPROVED)
        return execute_with_token(executor, call, status);
    bool asking_failed = state == CALL_NEW && json_has(call, "authorization");
    if (state == CALL_NEW && !asking_failed && executor->without_approval)
        return execute_once(executor, call, false, status);
    if (state == CALL_PENDING || (state == CALL_NEW && !asking_failed)) {
        report_failure(status, STATUS_NOT_YET, call_label(call),
                       state == CALL_PENDING ? "the user has not decided yet; run ciba-poll first"
                                             : "the user was not asked; run ciba-authorize first");
        return call;
    }
    *status = status_worse(*status, call_exit_status(call));
    jv result = refusal(call, state);
    return end_undone(executor, call, result);
}

jv executor_document(void *context, jv document, int *status) {
    const struct executor *executor = context;
    struct error error;
    if (executor->ledger->in_stage)
        token_keeper_forget(executor->tokens);
    if (executor->tools[0] != NULL && executor->tools[1] == NULL)
        tool_name_check(document, "--tool", executor->tools[0]);
    if (ledger_begin(executor->ledger, &error)) {
        document = document_each_call(document, executor_call, context, status);
        if (ledger_lives(executor->ledger))
            token_keeper_revoke(executor->tokens, document);
        return document;
    }
    report_error(status, NULL, &error);
    return document;
}
