#include "document/decision_notice.h"

#include "base/clock.h"
#include "json/json.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

static bool is_decided(jv call) {
    static const char *const decided[] = {"approved", "denied", "expired", "failed"};
    jv authorization = json_get(call, "authorization");
    const char *status = json_string(authorization, "status");
    bool is = false;
    for (size_t i = 0; status != NULL && i < sizeof decided / sizeof *decided; i++)
        is = is || strcmp(status, decided[i]) == 0;
    jv_free(authorization);
    return is;
}

jv decision_notice(jv before, jv after) {
    static const char *const told[] = {"status", "error", "requested_at", "expires_at", "reused"};
    if (jv_get_kind(after) != JV_KIND_OBJECT || !is_decided(after) ||
        (jv_get_kind(before) == JV_KIND_OBJECT && is_decided(before)))
        return jv_invalid();
    jv authorization = json_get(after, "authorization");
    const char *user = json_string(authorization, "user");
    jv notice = json_set_string(jv_object(), "call", json_string(after, "id"));
    notice = json_set_string(notice, "name", json_string(after, "name"));
    notice = json_set_string(notice, "user",
                             user != NULL ? user : json_string(authorization, "login_hint"));
    notice = json_set_string(notice, "message", json_string(authorization, "binding_message"));
    for (size_t i = 0; i < sizeof told / sizeof *told; i++)
        if (json_has(authorization, told[i]))
            notice = json_set(notice, told[i], json_get(authorization, told[i]));
    jv_free(authorization);
    return json_set(notice, "decided_at", jv_number(floor(clock_now())));
}

jv decision_notices(jv before, jv after) {
    jv notices = jv_array();
    jv were = json_array(before, "calls"), are = json_array(after, "calls");
    int known = jv_array_length(jv_copy(were));
    jv_array_foreach(are, i, call) {
        jv was = i < known ? jv_array_get(jv_copy(were), i) : jv_null();
        jv notice = decision_notice(was, call);
        if (jv_is_valid(notice))
            notices = jv_array_append(notices, notice);
        else
            jv_free(notice);
        jv_free(was);
        jv_free(call);
    }
    jv_free(were);
    jv_free(are);
    return notices;
}
