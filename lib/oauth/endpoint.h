/* The client's requests to the issuer's endpoints, one at a time: refresh, revocation,
 * introspection. */
#ifndef CIBA_OAUTH_ENDPOINT_H
#define CIBA_OAUTH_ENDPOINT_H

#include "http/message.h"
#include "oauth/client.h"

#include <jv.h>
#include <stdbool.h>

/* Discovers the issuer (client_discover) and posts the form, which is taken, to the endpoint of
 * this name in the metadata, with the client's authentication. With `dpop` and a DPoP key, adds a
 * proof, once more with the nonce that the issuer demands (RFC 9449 §8). The answer is the
 * caller's. False and an error: 69 without a complete answer, or one of 5xx, 408 or 429, after
 * which the request may be made again; 76, 78. */
bool endpoint_post(struct client *client, const char *endpoint, char *form, bool dpop,
                   struct http_answer *answer, struct error *error);

/* The JSON object of an answer; invalid if there is none. */
jv endpoint_object(const struct http_answer *answer);

/* The words for an error answer (RFC 6749 §5.2): code and description, without the secrets that
 * are known (redact.h). */
void endpoint_words(const struct http_answer *answer, jv body, char words[static 400]);

#endif
