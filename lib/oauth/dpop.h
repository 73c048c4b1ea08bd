/* Proof of possession of a key, DPoP, RFC 9449. */
#ifndef CIBA_OAUTH_DPOP_H
#define CIBA_OAUTH_DPOP_H

#include "base/error.h"

#include <openssl/evp.h>

/* The header line `DPoP: …` with a new proof (§4.2) for one request; the caller frees. `alg`: the
 * algorithm, NULL for the key's default. The URL is written as in the request (http_target).
 * `nonce`: as the server demanded (§8), NULL for none. `access_token`: the token sent with it to a
 * resource (ath, §7), NULL at the token endpoint. NULL and an error with status 78 if the key
 * cannot sign, 64 for an invalid URL. */
char *dpop_header(EVP_PKEY *key, const char *alg, const char *method, const char *url,
                  const char *nonce, const char *access_token, struct error *error);

#endif
