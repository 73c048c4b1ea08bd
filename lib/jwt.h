/* The claims that all JSON Web Tokens have in common, RFC 7519 §4.1. */
#ifndef CIBA_JWT_H
#define CIBA_JWT_H

#include "error.h"

#include <jv.h>
#include <stdbool.h>
#include <stddef.h>

enum { CLOCK_SKEW_SECONDS = 60 };

/* Whether `aud`, a string or an array of strings, has the audience; *count is set to how many there
 * are. */
bool jwt_audience_has(jv payload, const char *audience, int *count);

/* Whether a space-separated list of scopes (RFC 6749 §3.3; NULL is an empty one) has this one, of
 * `size` bytes. */
bool scope_has(const char *scopes, const char *wanted, size_t size);

/* Whether exp and iat are there and, like nbf, hold at the time `now` (seconds since 1970), with
 * CLOCK_SKEW_SECONDS of tolerance. False and an error with status 76 that names the claim. */
bool jwt_times_hold(jv payload, double now, struct error *error);

/* The payload of a token that is a JWT, unverified; invalid if it is none. False if it has a JWT's
 * header but a payload that cannot be read. */
bool jwt_unverified_claims(const char *token, jv *claims);

#endif
