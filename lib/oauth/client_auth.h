/* A client's credentials and authentication methods: one table. */
#ifndef CIBA_OAUTH_CLIENT_AUTH_H
#define CIBA_OAUTH_CLIENT_AUTH_H

#include "base/error.h"
#include "oauth/client_assertion.h"
#include "oauth/issuer.h"

#include <jv.h>
#include <openssl/evp.h>
#include <stdbool.h>

struct credentials {
    const char *id, *secret;
    const char *method;             /* NULL until client_auth_choose */
    const char *assertion_audience; /* the issuer unless configured */
    const char *key_id;
    const char *key_algorithm;          /* NULL to choose from the provider's: issuer_algorithm */
    EVP_PKEY *key;                      /* for assertions and signed requests, NULL for none */
    struct client_assertion *assertion; /* made by somebody else, NULL for none */
};

/* Where authentication goes in a request: into a form, or into user and password of HTTP Basic. The
 * strings are the caller's. */
struct authentication {
    char *form, *user, *password;
};

/* Checks the credentials without network access: a configured method must be known and have what it
 * needs; without one there must be some credential. False and an error with status 64 or 78. */
bool client_auth_check(const struct issuer *issuer, const struct credentials *credentials,
                       struct error *error);

/* Call after issuer_discover. Unless a method is configured, chooses the best one that the metadata
 * offer and the client has credentials for: certificate, then key, then secret. An assertion that
 * somebody else made is used whatever they offer: no provider lists how it takes one. False and an
 * error with status 78 if there is none. */
bool client_auth_choose(const struct issuer *issuer, struct credentials *credentials,
                        struct error *error);

/* Adds the authentication to a request: RFC 6749 §2.3.1, RFC 7523 §2.2, RFC 8705 §2,
 * draft-ietf-oauth-spiffe-client-auth-02 §3.1. False and an error with status 78, or 69 if an
 * assertion must be renewed (client_assertion_read). */
bool client_auth_apply(const struct issuer *issuer, const struct credentials *credentials,
                       struct authentication *parts, struct error *error);

/* The claims common to all JWTs of the client: iss, aud, iat, exp in 60 s, and a new jti. */
jv client_auth_claims(const struct credentials *credentials);

/* A JWT of these claims, which are taken, signed with the client's key. The algorithm is the
 * configured one or one of the list (see issuer_algorithm). The caller frees. NULL and an error
 * with status 78. */
char *client_auth_sign(const struct issuer *issuer, const struct credentials *credentials,
                       jv claims, const char *type, const char *list, struct error *error);

#endif
