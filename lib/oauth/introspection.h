/* Asking the issuer about a token, RFC 7662. */
#ifndef CIBA_OAUTH_INTROSPECTION_H
#define CIBA_OAUTH_INTROSPECTION_H

#include "oauth/access_token.h"
#include "oauth/client.h"

#include <jv.h>

/* Asks the introspection_endpoint, as the client, whether an access token is active, and checks
 * what it tells as the claims of a JWT (access_token_told). `active` alone is not enough: the
 * audience must be told, and the token must be no refresh or ID token, as far as that is told.
 * *told is the caller's: the answer if the token is valid, else invalid and an error: 1 for a token
 * that is not good; 69, 76, 77 or 78 if the issuer did not tell. */
bool token_introspect(struct client *client, const char *token,
                      const struct access_token_facts *facts, jv *told, struct error *error);

#endif
