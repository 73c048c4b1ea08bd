#include "document/attempt.h"

#include "json/json.h"

jv attempt_count(jv authorization, jv before) {
    double attempt = 1;
    json_number(before, "attempt", &attempt);
    if (json_is(before, "error", "invalid_grant"))
        attempt++;
    if (json_has(before, "anew"))
        authorization = json_set(authorization, "anew", jv_true());
    return attempt > 1 ? json_set(authorization, "attempt", jv_number(attempt)) : authorization;
}
