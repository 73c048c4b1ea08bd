#include "jose/jwt.h"

#include "jose/digest.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>

bool jwt_audience_has(jv payload, const char *wanted, int *count) {
    jv audience = json_get(payload, "aud");
    bool several = jv_get_kind(audience) == JV_KIND_ARRAY;
    bool found = several ? json_lists(audience, wanted) : json_is(payload, "aud", wanted);
    *count = several ? jv_array_length(jv_copy(audience)) : 1;
    jv_free(audience);
    return found;
}

bool jwt_times_hold(jv payload, double now, struct error *error) {
    double expires, issued = 0, not_before;
    if (!json_number(payload, "exp", &expires))
        return fail(error, STATUS_PROTOCOL, "it has no 'exp'");
    if (expires <= now - CLOCK_SKEW_SECONDS)
        return fail(error, STATUS_PROTOCOL, "it has expired ('exp' is %.0f s ago)", now - expires);
    if (json_has(payload, "iat") && !json_number(payload, "iat", &issued))
        return fail(error, STATUS_PROTOCOL, "its 'iat' is no number");
    if (json_has(payload, "iat") && issued > now + CLOCK_SKEW_SECONDS)
        return fail(error, STATUS_PROTOCOL,
                    "it is from the future ('iat' in %.0f s); is the clock right?", issued - now);
    if (json_has(payload, "nbf") &&
        (!json_number(payload, "nbf", &not_before) || not_before > now + CLOCK_SKEW_SECONDS))
        return fail(error, STATUS_PROTOCOL, "it is not valid yet ('nbf')");
    return true;
}

bool scope_has(const char *scopes, const char *wanted, size_t size) {
    for (const char *at = scopes; at != NULL && *at != '\0';) {
        size_t length = strcspn(at, " ");
        if (length == size && strncmp(at, wanted, size) == 0)
            return true;
        at += length + strspn(at + length, " ");
    }
    return false;
}

/* The JSON object in a part of a compact JWT; invalid if there is none. */
static jv read_part(const char *text, size_t text_size) {
    struct error ignored;
    size_t size = 0;
    jv part = jv_invalid();
    unsigned char *bytes = base64url_decode(text, text_size, &size);
    if (bytes != NULL)
        json_parse((const char *)bytes, size, &part, &ignored);
    free(bytes);
    if (jv_get_kind(part) == JV_KIND_OBJECT)
        return part;
    jv_free(part);
    return jv_invalid();
}

bool jwt_unverified_claims(const char *token, jv *claims) {
    const char *first = strchr(token, '.'), *second = first ? strchr(first + 1, '.') : NULL;
    *claims = jv_invalid();
    if (second == NULL)
        return true;
    jv header = read_part(token, (size_t)(first - token));
    bool is_jws = json_has(header, "alg") && !json_has(header, "enc");
    jv_free(header);
    if (is_jws)
        *claims = read_part(first + 1, (size_t)(second - first - 1));
    return !is_jws || jv_is_valid(*claims);
}
