#include "oauth/access_token.h"

#include "jose/jws.h"
#include "jose/jwt.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The claim with the scopes: RFC 9068's, or else Okta's and Microsoft's, or else Auth0's. Not a
 * union: a user's permissions exceed those of a client with a narrower scope. */
static jv scopes_of(jv claims) {
    static const char *const names[] = {"scope", "scp", "permissions"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (json_has(claims, names[i]))
            return json_get(claims, names[i]);
    return jv_invalid();
}

/* Whether the scopes, a space-separated list or an array, contain this one. */
static bool scopes_have(jv scopes, const char *wanted) {
    return json_lists(scopes, wanted) ||
           scope_has(json_value_string(scopes), wanted, strlen(wanted));
}

static bool scopes_suffice(jv claims, const char *wanted, struct error *error) {
    jv scopes = scopes_of(claims);
    bool suffice = true;
    while (suffice && wanted != NULL && *wanted != '\0') {
        size_t size = strcspn(wanted, " ");
        char *one = must_format("%.*s", (int)size, wanted);
        if (size > 0 && !scopes_have(scopes, one))
            suffice = fail(error, STATUS_NO, "it lacks the scope %s", one);
        free(one);
        wanted += size + strspn(wanted + size, " ");
    }
    jv_free(scopes);
    return suffice;
}

/* Compares the typ of RFC 9068 §2.1, which may have the prefix "application/". */
static bool type_is(const struct jws *token, const char *type) {
    const char *its_type = json_string(token->header, "typ");
    if (its_type != NULL && strncasecmp(its_type, "application/", 12) == 0)
        its_type += 12;
    return its_type != NULL && strcasecmp(its_type, type) == 0;
}

/* Whether issuer, audience and binding are as wanted. */
static bool is_as_wanted(jv claims, const struct access_token_facts *facts, struct error *error) {
    int audiences;
    if (facts->issuer != NULL && !json_is(claims, "iss", facts->issuer))
        return fail(error, STATUS_NO, "its 'iss' is not %s", facts->issuer);
    if (facts->audience != NULL && !jwt_audience_has(claims, facts->audience, &audiences))
        return fail(error, STATUS_NO, "its 'aud' is not %s", facts->audience);
    return facts->any_binding || !json_names(claims, "cnf") ||
           fail(error, STATUS_NO,
                "it is bound to a key or certificate ('cnf'), of which nobody looked for a "
                "proof; --binding-checked says that somebody did");
}

static bool claims_hold(const struct jws *token, const struct access_token_facts *facts,
                        struct error *error) {
    if (jv_get_kind(token->payload) != JV_KIND_OBJECT)
        return fail(error, STATUS_NO, "its payload is not a JSON object");
    if (facts->type != NULL && !type_is(token, facts->type))
        return fail(error, STATUS_NO, "its 'typ' is not %s", facts->type);
    return is_as_wanted(token->payload, facts, error) &&
           jwt_times_hold(token->payload, facts->now, error);
}

enum access_token_verdict access_token_told(jv told, const struct access_token_facts *facts,
                                            struct error *error) {
    jv claims = jv_copy(told);
    if (!json_names(claims, "iss")) /* who says it */
        claims = json_set_string(claims, "iss", facts->issuer);
    if (!json_names(claims, "exp")) /* it has not ended, or it would not be active */
        claims = json_set(claims, "exp", jv_number(facts->now + 1));
    bool good = is_as_wanted(claims, facts, error) && jwt_times_hold(claims, facts->now, error);
    enum access_token_verdict verdict = !good ? ACCESS_TOKEN_INVALID
                                        : scopes_suffice(claims, facts->scope, error)
                                            ? ACCESS_TOKEN_VALID
                                            : ACCESS_TOKEN_NARROW;
    jv_free(claims);
    return verdict;
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

enum access_token_verdict access_token_verify_by(struct issuer *issuer, const char *token,
                                                 const struct access_token_facts *facts, jv *claims,
                                                 struct error *error) {
    enum access_token_verdict verdict = ACCESS_TOKEN_NO_KEY;
    *claims = jv_invalid();
    for (int again = 0; again < 2 && verdict == ACCESS_TOKEN_NO_KEY; again++) {
        if (!issuer_discover(issuer, error) || !issuer_fetch_keys(issuer, again == 1, error))
            return ACCESS_TOKEN_UNDECIDED;
        jv_free(*claims);
        verdict = access_token_verify(token, issuer->jwks, facts, claims, error);
    }
    return verdict;
}
