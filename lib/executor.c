#include "executor.h"

#include "approval.h"
#include "call.h"
#include "digest.h"
#include "filter.h"
#include "json.h"

#include <stdlib.h>
#include <string.h>

jv executor_result(int status, const char *error, jv content) {
    jv result = jv_object();
    if (status >= 0)
        result = json_set(result, "status", jv_number(status));
    return json_set(json_set_string(result, "error", error), "content", content);
}

bool executor_is_refusal(long http_status) {
    static const long refusals[] = {400, 401, 402, 403, 404, 405, 406, 410, 411, 412, 413,
                                    414, 415, 416, 417, 421, 422, 426, 428, 431, 451};
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
        if (http_status == refusals[i])
            return true;
    return false;
}

/* The key of one execution, however often it is tried: one approval is one execution, so it is of
 * the auth_req_id, of which use of it this is (record_reuse), and of what was approved; of a call
 * that needs no approval, of the call's id and what it is. The caller frees; NULL and an error. */
static char *execution_key(jv call, struct error *error) {
    jv authorization = json_get(call, "authorization");
    jv name = json_get(authorization, "auth_req_id"), use = json_get(authorization, "use");
    char *digest = call_digest(call, error), *key = NULL;
    if (digest != NULL) {
        jv parts = JV_ARRAY(jv_is_valid(name) ? name : jv_string(call_id(call)),
                            jv_is_valid(use) ? use : jv_null(), jv_string(digest));
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

/* The result of a call that the user, or the provider, did not let happen. */
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

/* The end of a call that may have been executed and will not be again. Takes the call. */
static jv leave_unknown(const struct executor *executor, jv call, const char *key, const char *why,
                        int *status) {
    char *words = must_format("It was begun, and it is not known whether it was done; %s. Look "
                              "whether it was before doing it again.",
                              why);
    complain(call_id(call), "it was begun before, and it is not known whether it was done; %s",
             why);
    *status = status_worse(*status, STATUS_UNAVAILABLE);
    jv result = executor_result(-1, "outcome_unknown", jv_string(words));
    free(words);
    return record_executed(executor->record, call, key, result, false, status);
}

/* The end of a call whose approval is not honoured. Takes the call. */
static jv refuse(const struct executor *executor, jv call, const struct error *error, int *status) {
    char *words = must_format("Refused: %s. Nothing was done.", error->text);
    complain(call_id(call), "refused: %s", error->text);
    *status = status_worse(*status, error->status);
    record_refused(executor->record, call, error->text, status);
    jv result = executor_result(-1, "refused", jv_string(words));
    free(words);
    return json_set(call, "result", result);
}

/* The end of a call whose approval has been used: for this document, of which the outcome was lost,
 * or for another. Takes the call. */
static jv used_before(const struct executor *executor, jv call, int *status) {
    complain(call_id(call), "refused: its approval has been used before");
    *status = status_worse(*status, STATUS_INPUT);
    record_refused(executor->record, call, "its approval has been used before", status);
    return json_set(call, "result",
                    executor_result(-1, "already_used",
                                    jv_string("The approval has been used before: it was done, or "
                                              "tried, then. It was not done again.")));
}

/* The call with its arguments as they were digested; what it is executed from. */
static jv normal_call(jv call) {
    struct error ignored;
    jv arguments = json_get(call, "arguments"), normal = json_normal(arguments, &ignored);
    jv_free(arguments);
    return jv_is_valid(normal) ? json_set(jv_copy(call), "arguments", normal) : jv_copy(call);
}

/* Whether the approval is free to be used; else *call is ended, if it can be. */
static bool may_spend(const struct executor *executor, jv *call, struct attempt *attempt,
                      int *status) {
    struct error error;
    if (!executor->spends || attempt->access_token == NULL)
        return true;
    switch (record_spend(executor->record, *call, attempt->key, &attempt->again, &error)) {
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
    complain(call_id(*call), "%s; nothing was done", error.text);
    *status = status_worse(*status, error.status);
    return false;
}

/* The call as it was left by its execution. Takes call and result. */
static jv end_execution(const struct executor *executor, jv call, const struct attempt *attempt,
                        enum execution outcome, jv result, int *status) {
    struct record *record = executor->record;
    if (outcome == EXECUTION_REFUSED && attempt->again) {
        jv_free(result);
        return leave_unknown(executor, call, attempt->key, "the next try was not accepted", status);
    }
    if (outcome == EXECUTION_UNKNOWN)
        call = record_attempted(record, call);
    return record_executed(record, call, attempt->key, result, false, status);
}

/* Executes, with the intent on the disk before and the outcome after. Takes the call. */
static jv execute(const struct executor *executor, jv call, struct attempt attempt, int *status) {
    struct record *record = executor->record;
    struct error error;
    if (!record_executing(record, attempt.key, &error)) {
        complain(call_id(call), "%s; nothing was done", error.text);
        *status = status_worse(*status, error.status);
        return call;
    }
    if (!may_spend(executor, &call, &attempt, status))
        return call;
    jv normal = normal_call(call), result = jv_invalid();
    enum execution outcome = executor->work(executor->context, normal, &attempt, &result, status);
    call = end_execution(executor, call, &attempt, outcome, result, status);
    record_spent(record, normal, attempt.key,
                 outcome == EXECUTION_DONE      ? USED
                 : outcome == EXECUTION_UNKNOWN ? USE_UNKNOWN
                                                : NOT_USED,
                 status);
    jv_free(normal);
    return call;
}

/* Whether the call says that it may have been executed, and can be believed. */
static bool was_attempted(const struct record *record, jv call) {
    struct error ignored;
    jv authorization = json_get(call, "authorization");
    bool attempted = json_has(authorization, "attempted_at");
    jv_free(authorization);
    return attempted && record_trusts(record, call, &ignored);
}

/* Executes an approved call, if its approval holds. Takes the call. */
static jv execute_approved(const struct executor *executor, jv call, struct attempt attempt,
                           int *status) {
    struct error error;
    bool holds = approval_holds(executor->record, call, executor->proves_key, &error);
    if (!holds && attempt.again)
        return leave_unknown(executor, call, attempt.key, error.text, status);
    if (!holds)
        return refuse(executor, call, &error, status);
    jv token = json_get(call, "token");
    char *access_token = must_copy(json_string(token, "access_token"));
    attempt.access_token = access_token;
    call = execute(executor, call, attempt, status);
    free(access_token);
    jv_free(token);
    return call;
}

/* Executes a call that is approved, or needs no approval, unless the journal has it already. Takes
 * the call. */
static jv execute_once(const struct executor *executor, jv call, bool approved, int *status) {
    jv result;
    struct error error;
    char *key = execution_key(call, &error);
    if (key == NULL) {
        call = refuse(executor, call, &error, status);
        return json_delete(call, "token");
    }
    enum record_memory memory = record_execution(executor->record, key, &result);
    bool again = memory == RECORD_BEGUN || was_attempted(executor->record, call);
    struct attempt attempt = {NULL, key, again};
    if (memory == RECORD_FINISHED)
        call = record_executed(executor->record, call, key, result, true, status);
    else if (again && executor->at_most_once)
        call = leave_unknown(executor, call, key, "it is not to be done twice", status);
    else if (approved)
        call = execute_approved(executor, call, attempt, status);
    else
        call = execute(executor, call, attempt, status);
    free(key);
    return json_has(call, "result") ? json_delete(call, "token") : call;
}

static jv executor_call(void *context, jv call, int *status) {
    const struct executor *executor = context;
    enum call_state state = call_state(call);
    if (!json_is(call, "name", executor->tool) || state == CALL_DONE)
        return record_catch_up(executor->record, call, status);
    call = record_catch_up(executor->record, call, status);
    if (state == CALL_APPROVED)
        return execute_once(executor, call, true, status);
    bool asking_failed = state == CALL_NEW && json_has(call, "authorization");
    if (state == CALL_NEW && !asking_failed && executor->without_approval)
        return execute_once(executor, call, false, status);
    if (state == CALL_PENDING || (state == CALL_NEW && !asking_failed)) {
        complain(call_id(call), state == CALL_PENDING
                                    ? "the user has not decided yet; run ciba-poll first"
                                    : "the user was not asked; run ciba-authorize first");
        *status = status_worse(*status, STATUS_NOT_YET);
        return call;
    }
    *status = status_worse(*status, call_exit_status(call));
    jv result = refusal(call, state);
    return json_set(json_delete(call, "token"), "result", result);
}

jv executor_document(void *context, jv document, int *status) {
    const struct executor *executor = context;
    struct error error;
    if (record_begin(executor->record, &error))
        return filter_calls(document, executor_call, context, status);
    complain(NULL, "%s", error.text);
    *status = status_worse(*status, error.status);
    return document;
}
