/* Proof of possession of a key, DPoP, RFC 9449. */
#ifndef CIBA_DPOP_H
#define CIBA_DPOP_H

#include "error.h"

#include <openssl/evp.h>

/* The header line `DPoP: …` with a new proof (§4.2) for one request; the caller frees. `nonce` is
 * what the server has asked for (§8), NULL for none; `access_token` is what is presented with it at
 * a resource (ath, §7), NULL at the token endpoint. NULL and an error with status 78 if the key
 * cannot sign. */
char *dpop_header(EVP_PKEY *key, const char *method, const char *url, const char *nonce,
                  const char *access_token, struct error *error);

#endif
