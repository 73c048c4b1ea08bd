#include "executor.h"

#include "call.h"
#include "clock.h"
#include "digest.h"
#include "filter.h"
#include "json.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

jv executor_result(int status, const char *error, jv content) {
    jv result = jv_object();
    if (status >= 0)
        result = json_set(result, "status", jv_number(status));
    return json_set(json_set_string(result, "error", error), "content", content);
}

/* The key under which one execution of this call, however often it is tried, is known: of
 * auth_req_id and call id; the caller frees. */
static char *idempotency_key(jv call) {
    jv authorization = json_get(call, "authorization");
    const char *auth_req_id = json_string(authorization, "auth_req_id");
    /* A newline cannot be in an auth_req_id (CIBA Core §7.3), so that the two cannot run together.
     */
    char *both = must_format("%s\n%s", auth_req_id != NULL ? auth_req_id : "", call_id(call));
    char *digest = digest_of(both, strlen(both)), *key = must_copy(digest + strlen("sha-256:"));
    jv_free(authorization);
    free(both);
    free(digest);
    return key;
}

/* Whether all that was asked for is in what was granted, member by member, and nothing beside it.
 * The provider may add members to a detail (RFC 9396 §7.1), not change or add a detail. */
static bool details_agree(jv asked, jv granted) {
    if (jv_get_kind(asked) != JV_KIND_ARRAY || jv_get_kind(granted) != JV_KIND_ARRAY)
        return json_equal(asked, granted);
    bool agree = jv_array_length(jv_copy(asked)) == jv_array_length(jv_copy(granted));
    jv_array_foreach(asked, i, one) {
        bool found = false;
        jv_array_foreach(granted, j, other) {
            bool same = jv_get_kind(one) == jv_get_kind(other);
            if (jv_get_kind(one) == JV_KIND_OBJECT && same) {
                jv merged = jv_object_merge(jv_copy(other), jv_copy(one));
                same = json_equal(merged, other);
                jv_free(merged);
            } else {
                same = json_equal(one, other);
            }
            found = found || same;
            jv_free(other);
        }
        agree = agree && found;
        jv_free(one);
    }
    return agree;
}

/* The authorization_details within an access token that is a JWT (RFC 9396 §9.1), unverified: they
 * are for the API to trust, and for us only to disagree with. Invalid if there are none. */
static jv details_in_jwt(const char *access_token) {
    const char *first = strchr(access_token, '.'), *second = first ? strchr(first + 1, '.') : NULL;
    struct error ignored;
    size_t size = 0;
    jv payload = jv_invalid();
    unsigned char *bytes =
        second == NULL ? NULL : base64url_decode(first + 1, (size_t)(second - first - 1), &size);
    if (bytes != NULL)
        json_parse((const char *)bytes, size, &payload, &ignored);
    free(bytes);
    jv details = json_get(payload, "authorization_details");
    jv_free(payload);
    return details;
}

static bool token_details_agree(jv authorization, jv token, const char *access_token) {
    jv asked = json_get(authorization, "authorization_details");
    jv granted = json_get(token, "authorization_details"), within = details_in_jwt(access_token);
    bool agree = (!jv_is_valid(granted) || details_agree(asked, granted)) &&
                 (!jv_is_valid(within) || details_agree(asked, within));
    jv_free(asked);
    jv_free(granted);
    jv_free(within);
    return agree;
}

/* RFC 6750 §2.1: what may stand behind "Bearer ". */
static bool is_bearer_syntax(const char *token) {
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/=";
    return *token != '\0' && strspn(token, allowed) == strlen(token);
}

bool executor_token_is_dpop(jv call) {
    jv token = json_get(call, "token");
    const char *type = json_string(token, "token_type");
    bool is_dpop = type != NULL && strcasecmp(type, "DPoP") == 0;
    jv_free(token);
    return is_dpop;
}

/* Whether the approval may be used for this call. */
static bool approval_holds(const struct executor *executor, jv call, jv authorization, jv token,
                           struct error *error) {
    const char *access_token = json_string(token, "access_token");
    const char *type = json_string(token, "token_type");
    double expires_at;
    if (!record_trusts(executor->record, call, error))
        return false;
    if (access_token == NULL)
        return fail(error, STATUS_INPUT, "it is approved but has no access token");
    if (!is_bearer_syntax(access_token))
        return fail(error, STATUS_INPUT, "its access token has characters that no token has");
    bool is_dpop = executor_token_is_dpop(call);
    if (is_dpop && !executor->proves_key)
        return fail(error, STATUS_CONFIG, "its token is bound to a key; --dpop-key names that");
    if (!is_dpop && (type == NULL || strcasecmp(type, "Bearer") != 0))
        return fail(error, STATUS_INPUT, "its token is neither of the type Bearer nor DPoP");
    if (json_number(token, "expires_at", &expires_at) && expires_at <= clock_now())
        return fail(error, STATUS_NO, "its access token has expired; ask the user again");
    if (!token_details_agree(authorization, token, access_token))
        return fail(error, STATUS_INPUT,
                    "the token's authorization_details are not what was asked");
    return true;
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
        words = must_format("The user could not be asked (%s%s%s). Nothing was done.",
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

/* Executes, with the intent on the disk before and the outcome after. Takes the call. */
static jv execute(const struct executor *executor, jv call, const char *key,
                  const char *access_token, int *status) {
    struct error error;
    if (!record_executing(executor->record, key, &error)) {
        complain(call_id(call), "%s; nothing was done", error.text);
        *status = status_worse(*status, error.status);
        return call;
    }
    jv result = executor->work(executor->context, call, access_token, key, status);
    return record_executed(executor->record, call, key, result, false, status);
}

/* The end of a call that may have been executed before a crash and will not be again. Takes the
 * call. */
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

/* Executes a call that is approved, or needs no approval, unless the journal has it already. Takes
 * the call. */
static jv execute_once(const struct executor *executor, jv call, bool approved, int *status) {
    jv authorization = json_get(call, "authorization"), token = json_get(call, "token"), result;
    char *key = idempotency_key(call);
    struct error error;
    enum record_memory memory = record_execution(executor->record, key, &result);
    if (memory == RECORD_FINISHED)
        call = record_executed(executor->record, call, key, result, true, status);
    else if (memory == RECORD_BEGUN && executor->at_most_once)
        call = leave_unknown(executor, call, key, "it is not to be done twice", status);
    else if (!approved)
        call = execute(executor, call, key, NULL, status);
    else if (approval_holds(executor, call, authorization, token, &error))
        call = execute(executor, call, key, json_string(token, "access_token"), status);
    else if (memory == RECORD_BEGUN)
        call = leave_unknown(executor, call, key, error.text, status);
    else
        call = refuse(executor, call, &error, status);
    free(key);
    jv_free(authorization);
    jv_free(token);
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
