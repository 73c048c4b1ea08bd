/* JSON Web Signatures in compact form, RFC 7515, with the algorithms of RFC 7518 §3 and RFC 8037
 * that are asymmetric: RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA. `none` and the
 * HMACs are never accepted. */
#ifndef CIBA_JWS_H
#define CIBA_JWS_H

#include "error.h"

#include <jv.h>
#include <openssl/evp.h>
#include <stdbool.h>

/* A JWS taken apart; nothing in it is to be trusted before jws_verify. Freed by jws_free. */
struct jws {
    jv header; /* the protected header */
    const struct jws_algorithm *algorithm;
    jv payload; /* invalid where the payload is not JSON */
    char *signing_input;
    unsigned char *signature;
    size_t signature_size;
};

/* Takes the text apart. False and an error with status 76 if it is not a compact JWS with a known
 * algorithm, or has `crit`, which asks for what is not implemented. */
bool jws_parse(const char *text, struct jws *jws, struct error *error);
void jws_free(struct jws *jws);

/* Whether this key may verify this JWS: its kty and crv fit the algorithm, and its own alg, use,
 * key_ops and kid, where it has them, agree. */
bool jws_key_fits(const struct jws *jws, jv jwk);

/* Whether a key made the signature. */
bool jws_verify_key(const struct jws *jws, EVP_PKEY *key);

enum jws_verdict { JWS_VALID, JWS_NO_KEY, JWS_INVALID };

/* Verifies with a key of a JWKS (RFC 7517 §5): the one that fits by kid, or any that fits where the
 * header has no kid. JWS_NO_KEY if no key fits, so that it pays to fetch the set again. */
enum jws_verdict jws_verify(const struct jws *jws, jv jwks, struct error *error);

/* A compact JWS of the payload; `alg` is put into the header, which is taken. The caller frees.
 * NULL and an error with status 78 if the key does not fit the algorithm. */
char *jws_sign(jv header, jv payload, const char *alg, EVP_PKEY *key, struct error *error);

/* The algorithm that goes with a key where none is named: RS256, ES256, ES384, ES512 or EdDSA; ""
 * if there is none. */
const char *jws_algorithm_for(EVP_PKEY *key);

/* A compact JWS with HS256 (RFC 7518 §3.2), for client_secret_jwt only; the header is taken, the
 * caller frees. */
char *jws_sign_secret(jv header, jv payload, const char *secret);

/* The half of a digest that at_hash and rt_hash are made of (OIDC Core §3.1.3.6), by the hash of
 * the JWS's algorithm; the caller frees. */
char *jws_half_hash(const struct jws *jws, const char *text);

#endif
