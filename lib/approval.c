#include "approval.h"

#include "clock.h"
#include "grant.h"
#include "json.h"

#include <strings.h>

bool approval_is_dpop(jv call) {
    jv token = json_get(call, "token");
    const char *type = json_string(token, "token_type");
    bool is_dpop = type != NULL && strcasecmp(type, "DPoP") == 0;
    jv_free(token);
    return is_dpop;
}

bool approval_holds(const struct record *record, jv call, bool dpop, struct error *error) {
    if (!record_trusts(record, call, error))
        return false;
    jv authorization = json_get(call, "authorization"), token = json_get(call, "token");
    double expires_at;
    bool good = grant_fault(authorization, token, error) == NULL;
    if (good && approval_is_dpop(call) && !dpop)
        good = fail(error, STATUS_CONFIG, "its token is bound to a key; --dpop-key names that");
    if (good && !approval_is_dpop(call) && dpop)
        good =
            fail(error, STATUS_INPUT,
                 "its token is not bound to the key of --dpop-key: a Bearer token is a downgrade");
    if (good && json_number(token, "expires_at", &expires_at) && expires_at <= clock_now())
        good = fail(error, STATUS_NO, "its access token has expired; ask the user again");
    jv_free(authorization);
    jv_free(token);
    return good;
}
