/* Access tokens in JWT form, as checked by the API that they are for: RFC 9068 §4, RFC 7519
 * §7.2. */
#ifndef CIBA_OAUTH_ACCESS_TOKEN_H
#define CIBA_OAUTH_ACCESS_TOKEN_H

#include "base/error.h"
#include "oauth/issuer.h"

#include <jv.h>
#include <stdbool.h>

/* What the token must match; NULL for what is not checked. */
struct access_token_facts {
    const char *issuer, *audience;
    const char *scope; /* the token must have each scope of this list */
    const char *type;  /* the header's typ, "at+jwt" for example */
    double now;        /* seconds since 1970 */
    bool any_binding;  /* accept a token bound to a key or certificate: the caller checks that, or
                          need not */
};

enum access_token_verdict {
    ACCESS_TOKEN_VALID,
    ACCESS_TOKEN_NO_KEY, /* no key of the set fits: fetching the set again may help */
    ACCESS_TOKEN_INVALID,
    ACCESS_TOKEN_NARROW,   /* valid, but a scope is missing */
    ACCESS_TOKEN_UNDECIDED /* the issuer's keys cannot be had now */
};

/* Verifies signature, issuer, audience, times (60 s of skew), scope, and, unless any_binding, that
 * the token is bound to nothing (cnf: RFC 7800, RFC 9449 §6, RFC 8705 §3). The scopes are in the
 * claim `scope`, else in `scp`, else in `permissions`. *claims is the caller's: set for a valid
 * token, invalid otherwise, and then *error says why. */
enum access_token_verdict access_token_verify(const char *token, jv jwks,
                                              const struct access_token_facts *facts, jv *claims,
                                              struct error *error);

/* The same by the issuer's keys, which are fetched, and once more if none fits.
 * ACCESS_TOKEN_UNDECIDED, and the error of issuer_discover or issuer_fetch_keys, if they cannot be
 * had. */
enum access_token_verdict access_token_verify_by(struct issuer *issuer, const char *token,
                                                 const struct access_token_facts *facts, jv *claims,
                                                 struct error *error);

/* The same for what the issuer told about a token (RFC 7662 §2.2), which may leave out `iss` and
 * `exp`. The type is not checked. */
enum access_token_verdict access_token_told(jv told, const struct access_token_facts *facts,
                                            struct error *error);

#endif
