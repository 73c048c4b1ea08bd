/* JSON Web Keys, RFC 7517 and 7518 §6, RFC 8037: public keys as OpenSSL's EVP_PKEY and back. */
#ifndef CIBA_JOSE_JWK_H
#define CIBA_JOSE_JWK_H

#include "base/error.h"

#include <jv.h>
#include <openssl/evp.h>

/* The public key of a JWK of type RSA (2048 to 16384 bits), EC (P-256, P-384, P-521) or OKP
 * (Ed25519, Ed448, of full order); free it with EVP_PKEY_free. NULL and an error with status 76 for
 * any other type, symmetric keys included, and for a malformed or weak key. */
EVP_PKEY *jwk_public_key(jv jwk, struct error *error);

/* The JWK of a key's public half: the members of its RFC 7638 thumbprint, including kty. Invalid
 * and an error with status 78 for a type that is not listed above. */
jv jwk_of_key(EVP_PKEY *key, struct error *error);

/* The SHA-256 thumbprint (RFC 7638) of a JWK as from jwk_of_key, in base64url; the caller frees. */
char *jwk_thumbprint(jv jwk);

#endif
