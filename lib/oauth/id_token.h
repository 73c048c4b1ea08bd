/* The ID token of a CIBA token answer: OIDC Core 1.0 §3.1.3.7 and CIBA Core 1.0 §10.1.1, §10.3.1.
 */
#ifndef CIBA_OAUTH_ID_TOKEN_H
#define CIBA_OAUTH_ID_TOKEN_H

#include "jose/jws.h"
#include "oauth/issuer.h"

#include <openssl/evp.h>
#include <stdbool.h>

/* How the client is registered at the provider. */
struct id_token_registration {
    const char *client_id;
    const char *algorithm; /* id_token_signed_response_alg: no other is accepted; NULL for any that
                              has no secret and that the issuer lists */
    const char *secret;    /* the client's, for HS256, HS384 and HS512 */
    EVP_PKEY *decryption_key; /* ID tokens are encrypted to it (id_token_encrypted_response_alg);
                                 NULL: they are not encrypted */
};

/* Checks without network access: the algorithm is known, and the secret fits it (RFC 7518 §3.2:
 * as long as the hash). False and an error with status 64 or 78. */
bool id_token_registration_check(const struct id_token_registration *registration,
                                 struct error *error);

/* The signed token in an ID token as it comes from the provider, which must be encrypted exactly if
 * the client is registered so: anybody could encrypt, so that only the signature proves anything.
 * The caller frees. NULL and an error with status 76. */
char *id_token_open(const struct id_token_registration *registration, const char *token,
                    struct error *error);

/* What the token must match; NULL for what is unknown. */
struct id_token_facts {
    const char *issuer, *client_id;
    const char *user; /* the `sub` of the user who was asked */
    const char *auth_req_id, *access_token;
    double now;        /* seconds since 1970; 0: times are not checked */
    double not_before; /* the token must not be older; 0 if unknown */
    bool
        must_name_request; /* with the claim of CIBA Core §10.3.1, which is optional when polling */
    /* In a push (§10.3.1) the token itself must contain auth_req_id and the hashes. */
    bool is_push;
    const char *refresh_token;
};

/* Checks the claims of a token whose signature is verified. False and an error with status 76 that
 * names the claim. */
bool id_token_claims_hold(const struct jws *token, const struct id_token_facts *facts,
                          struct error *error);

/* Checks signature and claims of an ID token, as from id_token_open, from the issuer for this
 * client. Fetches the keys, again if none fits. The algorithm must be one that the issuer signs ID
 * tokens with, and the registered one, if that is known; `typ`, if present, must be JWT (RFC 8725
 * §3.11). Fills in the facts' issuer and client_id. Sets *user,
 * which may be NULL, to the `sub`; the caller frees. False and an error with status 76, or 69 if
 * the keys are not available. */
bool id_token_verify(struct issuer *issuer, const struct id_token_registration *registration,
                     const char *token, struct id_token_facts facts, char **user,
                     struct error *error);

#endif
