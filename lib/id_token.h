/* The ID token of a CIBA token answer: OIDC Core 1.0 §3.1.3.7 and CIBA Core 1.0 §10.1.1, §10.3.1.
 */
#ifndef CIBA_ID_TOKEN_H
#define CIBA_ID_TOKEN_H

#include "client.h"
#include "jws.h"

#include <stdbool.h>

/* What the token must agree with; NULL for what is not known. */
struct id_token_facts {
    const char *issuer, *client_id;
    const char *user; /* the `sub` who was asked */
    const char *auth_req_id, *access_token;
    double now;             /* seconds since 1970; 0: its times are not looked at */
    double not_before;      /* it must not be older than this; 0 if that is not known */
    bool must_name_request; /* by the claim of CIBA Core §10.3.1, which is optional in a poll */
    /* In a push (§10.3.1) the token must itself name auth_req_id and the hashes. */
    bool is_push;
    const char *refresh_token;
};

/* Checks the claims of a token whose signature has been checked. False and an error with status 76
 * that names the claim. */
bool id_token_claims_hold(const struct jws *token, const struct id_token_facts *facts,
                          struct error *error);

/* Checks signature and claims of an ID token against the client's issuer, whose keys are fetched,
 * and fetched again if none fits. Its algorithm must be one that the issuer says it signs ID tokens
 * with, and its `typ`, if it has one, JWT (RFC 8725 §3.11). The facts' issuer and client_id are
 * filled in. *user, which may be NULL, is set to its `sub`; the caller frees. False and an error
 * with status 76, or 69 if the keys cannot be had. */
bool id_token_verify(struct client *client, const char *token, struct id_token_facts facts,
                     char **user, struct error *error);

#endif
