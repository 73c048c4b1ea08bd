/* JWTs that the client signs, for its authentication (private_key_jwt) and its requests, and those
 * that somebody else signs for it. */
#ifndef CIBA_SANDBOX_CLIENT_JWT_H
#define CIBA_SANDBOX_CLIENT_JWT_H

#include "base/error.h"
#include "sandbox/sandbox.h"

#include <jv.h>
#include <stdbool.h>

/* Whether a JWT from the client is valid: signed by its key, for this provider, used for the first
 * time, and valid for at most five minutes. *claims is the caller's. False and an error
 * otherwise. */
bool client_jwt_holds(struct sandbox *sandbox, const char *text, jv *claims, struct error *error);

/* Whether the form authenticates the client by a JWT that somebody else made, whose key is
 * --assertion-key-file: for this provider alone, not expired, with the type of a SPIFFE JWT-SVID if
 * its subject is one, and else with an issuer (RFC 7523 §3). Any subject stands for the client, and
 * it may be used again. False and an error otherwise. */
bool client_assertion_holds(const struct sandbox *sandbox, jv form, struct error *error);

/* The parameters of a signed request (CIBA Core §7.1.1), which replace the form, which is taken.
 * Invalid, with an error, if the JWT is not valid. */
jv signed_request_form(struct sandbox *sandbox, jv form, struct error *error);

#endif
