/* JSON Web Encryption in compact form (RFC 7516), decryption only, for a JWT that is signed and
 * then encrypted to our key (nested, RFC 7519 §5.2). Algorithms of RFC 7518 §4 and §5: RSA-OAEP
 * RSA-OAEP-256 ECDH-ES ECDH-ES+A128KW ECDH-ES+A256KW, with A128GCM A256GCM A128CBC-HS256
 * A256CBC-HS512. Never accepted: RSA1_5, whose padding gives the key away, passwords (PBES2), keys
 * that both sides have (dir, A128KW), and compression (zip). */
#ifndef CIBA_JOSE_JWE_H
#define CIBA_JOSE_JWE_H

#include "base/error.h"

#include <openssl/evp.h>
#include <stdbool.h>

enum { JWE_SIZE_LIMIT = 1 << 18 /* bytes of the text */ };

/* Whether the text has the five parts of a compact JWE. */
bool jwe_is(const char *text);

/* Whether tokens can be encrypted to this private key: RSA of at least 2048 bits, EC on P-256,
 * P-384 or P-521. False and an error with status 78. */
bool jwe_key_fits(EVP_PKEY *key, struct error *error);

/* The plaintext, which must be text; the caller frees. It proves nothing: anybody who has the
 * public key can encrypt. NULL and an error with status 76, which is the same whatever is wrong
 * with the encrypted key or content (RFC 7516 §11.5). */
char *jwe_decrypt(const char *text, EVP_PKEY *key, struct error *error);

#endif
