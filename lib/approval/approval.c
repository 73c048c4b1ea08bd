#include "approval/approval.h"

#include "base/clock.h"
#include "oauth/grant.h"
#include "json/json.h"

#include <strings.h>

bool approval_is_dpop(jv call) {
    jv token = json_get(call, "token");
    const char *type = json_string(token, "token_type");
    bool is_dpop = type != NULL && strcasecmp(type, "DPoP") == 0;
    jv_free(token);
    return is_dpop;
}

bool approval_holds(const struct ledger *ledger, jv call, bool dpop, struct error *error) {
    if (!ledger_trusts(ledger, call, error))
        return false;
    jv authorization = json_get(call, "authorization"), token = json_get(call, "token");
    double expires_at;
    bool is_dpop = approval_is_dpop(call);
    bool good = grant_fault(authorization, token, error) == NULL;
    if (good && is_dpop && !dpop)
        good =
            fail(error, STATUS_CONFIG, "its token is bound to a key; --dpop-key-file names that");
    if (good && !is_dpop && dpop)
        good = fail(
            error, STATUS_INPUT,
            "its token is not bound to the key of --dpop-key-file: a Bearer token is a downgrade");
    if (good && json_number(token, "expires_at", &expires_at) && expires_at <= clock_now())
        good = fail(error, STATUS_NO,
                    "its access token has expired; ask the user again, by ciba-authorize --again");
    jv_free(authorization);
    jv_free(token);
    return good;
}
