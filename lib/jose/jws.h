/* JSON Web Signatures in compact form (RFC 7515) with asymmetric algorithms of RFC 7518 §3, RFC
 * 8037 and RFC 9864: RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519 Ed448.
 * `none` is never accepted. HMACs (HS256 HS384 HS512) are accepted only by jws_parse_as, where the
 * caller knows that they are meant, and verified only by jws_verify_secret: never with a key of a
 * set. */
#ifndef CIBA_JOSE_JWS_H
#define CIBA_JOSE_JWS_H

#include "base/error.h"

#include <jv.h>
#include <openssl/evp.h>
#include <stdbool.h>

/* A parsed JWS. Trust nothing in it before jws_verify. Freed by jws_free. */
struct jws {
    jv header; /* the protected header */
    const struct jws_algorithm *algorithm;
    jv payload; /* invalid if the payload is not JSON */
    char *signing_input;
    unsigned char *signature;
    size_t signature_size;
};

/* Parses the text. False and an error with status 76 if it is not a compact JWS with a known
 * algorithm, or has `crit`, whose extensions are not implemented. */
bool jws_parse(const char *text, struct jws *jws, struct error *error);

/* The same for a JWS that must have this algorithm, which may be an HMAC; NULL as jws_parse. */
bool jws_parse_as(const char *text, const char *alg, struct jws *jws, struct error *error);
void jws_free(struct jws *jws);

/* Whether this key may verify this JWS: its kty and crv fit the algorithm, and its alg, use,
 * key_ops and kid, if present, agree. */
bool jws_key_fits(const struct jws *jws, jv jwk);

/* Whether a key made the signature. */
bool jws_verify_key(const struct jws *jws, EVP_PKEY *key);

/* Whether the JWS has an HMAC, so that only jws_verify_secret can verify it. */
bool jws_has_mac(const struct jws *jws);

/* Whether this secret made the HMAC of the JWS; false if it has none. */
bool jws_verify_secret(const struct jws *jws, const char *secret);

/* Whether there is such an algorithm. *least_secret is the least number of bytes of its secret (RFC
 * 7518 §3.2), 0 if it has none. */
bool jws_algorithm_known(const char *alg, size_t *least_secret);

enum { JWS_KEYS_LIMIT = 100 }; /* keys of a set that fit a JWS and are tried */

enum jws_verdict { JWS_VALID, JWS_NO_KEY, JWS_INVALID };

/* Verifies with a key of a JWKS (RFC 7517 §5): the one with the same kid, or any that fits if the
 * header has no kid; tries at most JWS_KEYS_LIMIT. JWS_NO_KEY if no key fits: then fetching the set
 * again may help. */
enum jws_verdict jws_verify(const struct jws *jws, jv jwks, struct error *error);

/* A compact JWS of the payload; sets `alg` in the header, which is taken. The caller frees. NULL
 * and an error with status 78 if the key does not fit the algorithm. */
char *jws_sign(jv header, jv payload, const char *alg, EVP_PKEY *key, struct error *error);

/* The default signature algorithm for the key: the first that fits (RS256, ES256, ES384, ES512 or
 * EdDSA, Ed25519, Ed448) among those in the array `offered`, or among all if that is empty or no
 * array. NULL if there is none. */
const char *jws_algorithm_for(EVP_PKEY *key, jv offered);

/* The same among HS256, HS384 and HS512, for a secret. */
const char *jws_secret_algorithm(jv offered);

/* A compact JWS with an HMAC (RFC 7518 §3.2), for client_secret_jwt only; `alg` is from
 * jws_secret_algorithm. Takes the header; the caller frees. */
char *jws_sign_secret(jv header, jv payload, const char *alg, const char *secret);

/* The left half of the text's digest, for at_hash and rt_hash (OIDC Core §3.1.3.6), with the hash
 * of the JWS's algorithm; the caller frees. */
char *jws_half_hash(const struct jws *jws, const char *text);

#endif
