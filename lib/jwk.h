/* JSON Web Keys, RFC 7517 and 7518 §6, RFC 8037: public keys as OpenSSL's EVP_PKEY and back. */
#ifndef CIBA_JWK_H
#define CIBA_JWK_H

#include "error.h"

#include <jv.h>
#include <openssl/evp.h>

/* The public key of a JWK of type RSA (2048 to 16384 bits), EC (P-256, P-384, P-521) or OKP
 * (Ed25519, Ed448), to be freed with EVP_PKEY_free. NULL and an error with status 76 if it is none
 * of these, is malformed, or too weak. A symmetric key is never one. */
EVP_PKEY *jwk_public_key(jv jwk, struct error *error);

/* The JWK of a key's public half: kty and the members that RFC 7638 takes the thumbprint over.
 * Invalid and an error with status 78 for a type of key that is not in the list above. */
jv jwk_of_key(EVP_PKEY *key, struct error *error);

/* The SHA-256 thumbprint of RFC 7638 as base64url of a jwk_of_key; the caller frees. */
char *jwk_thumbprint(jv jwk);

#endif
