/* Revoking tokens whose work is done, RFC 7009. */
#ifndef CIBA_OAUTH_REVOCATION_H
#define CIBA_OAUTH_REVOCATION_H

#include "oauth/client.h"

#include <jv.h>
#include <stdbool.h>

/* Revokes a token as in the document: first its refresh token, with which a provider should revoke
 * the access token too, then the access token. False and an error if the provider says that one of
 * them was not revoked; both are tried. */
bool token_revoke(struct client *client, jv token, struct error *error);

#endif
