/* An access token that is a JWT, at the API that it is for: RFC 9068 §4, RFC 7519 §7.2. */
#ifndef CIBA_ACCESS_TOKEN_H
#define CIBA_ACCESS_TOKEN_H

#include "error.h"

#include <jv.h>

/* What the token must agree with; NULL for what is not asked. */
struct access_token_facts {
    const char *issuer, *audience;
    const char *scope; /* every word of it must be among the token's scopes */
    const char *type;  /* the header's typ, "at+jwt" for example */
    double now;        /* seconds since 1970 */
};

enum access_token_verdict {
    ACCESS_TOKEN_VALID,
    ACCESS_TOKEN_NO_KEY, /* no key of the set fits: the set may have to be fetched again */
    ACCESS_TOKEN_INVALID,
    ACCESS_TOKEN_NARROW /* valid, but a scope is missing */
};

/* Verifies signature, issuer, audience, times (60 s of skew) and scope. *claims is the caller's:
 * set for a valid token, invalid otherwise, and then *error says why. */
enum access_token_verdict access_token_verify(const char *token, jv jwks,
                                              const struct access_token_facts *facts, jv *claims,
                                              struct error *error);

#endif
