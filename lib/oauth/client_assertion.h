/* A client assertion that somebody else makes and renews: the OIDC token of a CI job, the token of
 * a Kubernetes service account, a SPIFFE JWT-SVID. A file has the newest. It is a secret: whoever
 * has it is the client until it expires. */
#ifndef CIBA_OAUTH_CLIENT_ASSERTION_H
#define CIBA_OAUTH_CLIENT_ASSERTION_H

#include "base/error.h"
#include "system/confinement.h"

#include <jv.h>
#include <stdbool.h>

struct client_assertion;

/* Reads the assertion for the first time. It must be a compact JWS (RFC 7515 §3.1), and `audience`
 * one of its audiences: to anybody else it must not be shown. File and audience stay the caller's.
 * Free it with client_assertion_free. NULL and an error that names the file and has nothing of its
 * content, with status 66 or 78. */
struct client_assertion *client_assertion_open(const char *file, const char *audience,
                                               struct error *error);
void client_assertion_free(struct client_assertion *assertion);

/* The assertion, read again. What was read before is used while the file cannot be read or has no
 * assertion, since it may be just being replaced. The text is the assertion's, until the next call.
 * NULL and an error with status 69 if it has expired (RFC 7523 §3) by more than the clocks may
 * differ: whoever makes it has not renewed it. */
const char *client_assertion_read(struct client_assertion *assertion, struct error *error);

/* What it claims, as last read. Unverified: it is for the provider, who verifies it. */
jv client_assertion_claims(const struct client_assertion *assertion);

/* Whether it is a SPIFFE JWT-SVID, by its subject (JWT-SVID §3.1). */
bool client_assertion_is_spiffe(const struct client_assertion *assertion);

/* Adds the folder of the file and, if it is a link, those of the links and the file that it leads
 * to, four at most: files in them come and go. */
void client_assertion_needs(const struct client_assertion *assertion, struct confinement *needs);

#endif
