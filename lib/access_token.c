#include "access_token.h"

#include "json.h"
#include "jws.h"
#include "jwt.h"

#include <string.h>
#include <strings.h>

static bool scopes_suffice(jv claims, const char *wanted, struct error *error) {
    const char *scopes = json_string(claims, "scope");
    while (wanted != NULL && *wanted != '\0') {
        size_t size = strcspn(wanted, " ");
        if (size > 0 && !scope_has(scopes, wanted, size))
            return fail(error, STATUS_NO, "it lacks the scope %.*s", (int)size, wanted);
        wanted += size + strspn(wanted + size, " ");
    }
    return true;
}

/* The typ of RFC 9068 §2.1 may have "application/" before it. */
static bool type_is(const struct jws *token, const char *type) {
    const char *its_type = json_string(token->header, "typ");
    if (its_type != NULL && strncasecmp(its_type, "application/", 12) == 0)
        its_type += 12;
    return its_type != NULL && strcasecmp(its_type, type) == 0;
}

static bool claims_hold(const struct jws *token, const struct access_token_facts *facts,
                        struct error *error) {
    int audiences;
    if (jv_get_kind(token->payload) != JV_KIND_OBJECT)
        return fail(error, STATUS_NO, "its payload is not a JSON object");
    if (facts->type != NULL && !type_is(token, facts->type))
        return fail(error, STATUS_NO, "its 'typ' is not %s", facts->type);
    if (facts->issuer != NULL && !json_is(token->payload, "iss", facts->issuer))
        return fail(error, STATUS_NO, "its 'iss' is not %s", facts->issuer);
    if (facts->audience != NULL && !jwt_audience_has(token->payload, facts->audience, &audiences))
        return fail(error, STATUS_NO, "its 'aud' is not %s", facts->audience);
    return jwt_times_hold(token->payload, facts->now, error);
}

enum access_token_verdict access_token_verify(const char *text, jv jwks,
                                              const struct access_token_facts *facts, jv *claims,
                                              struct error *error) {
    struct jws token;
    enum access_token_verdict verdict = ACCESS_TOKEN_INVALID;
    *claims = jv_invalid();
    if (!jws_parse(text, &token, error))
        return ACCESS_TOKEN_INVALID;
    enum jws_verdict signature = jws_verify(&token, jwks, error);
    if (signature == JWS_NO_KEY)
        verdict = ACCESS_TOKEN_NO_KEY;
    else if (signature == JWS_VALID && claims_hold(&token, facts, error))
        verdict = scopes_suffice(token.payload, facts->scope, error) ? ACCESS_TOKEN_VALID
                                                                     : ACCESS_TOKEN_NARROW;
    if (verdict == ACCESS_TOKEN_VALID)
        *claims = jv_copy(token.payload);
    jws_free(&token);
    return verdict;
}
