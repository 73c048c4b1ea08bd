/* The claims common to all JSON Web Tokens, RFC 7519 §4.1. */
#ifndef CIBA_JOSE_JWT_H
#define CIBA_JOSE_JWT_H

#include "base/error.h"

#include <jv.h>
#include <stdbool.h>
#include <stddef.h>

enum { CLOCK_SKEW_SECONDS = 60 };

/* Whether `aud`, a string or an array of strings, contains the audience; sets *count to the number
 * of audiences. */
bool jwt_audience_has(jv payload, const char *audience, int *count);

/* Whether a space-separated list of scopes (RFC 6749 §3.3; NULL is an empty one) contains `wanted`,
 * of `size` bytes. */
bool scope_has(const char *scopes, const char *wanted, size_t size);

/* Whether exp is present and valid at the time `now` (seconds since 1970), as well as iat and nbf
 * if present, with a tolerance of CLOCK_SKEW_SECONDS. False and an error with status 76 that names
 * the claim. */
bool jwt_times_hold(jv payload, double now, struct error *error);

/* The unverified payload of a token that is a JWT; invalid if it is no JWT. False if it has a JWT's
 * header but an unreadable payload. */
bool jwt_unverified_claims(const char *token, jv *claims);

#endif
