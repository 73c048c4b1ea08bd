/* Whether what the provider granted is what was asked for. A provider may grant less, and says so
 * in its answer at best: RFC 6749 §3.3 and §5.1. */
#ifndef CIBA_GRANT_H
#define CIBA_GRANT_H

#include "error.h"

#include <jv.h>

/* Compares a call's token with its authorization: the token's form and type (RFC 6749 §7.1, RFC
 * 6750 §2.1), scope, audience and resources (RFC 8707 §2), authorization_details (RFC 9396 §7), and
 * the acr of the ID token (OIDC Core 1.0 §3.1.3.7). What a JWT says within is read, not verified:
 * it can only disagree. NULL if all is as asked; else the error's code for the document, which
 * lives for ever, and an error with status 65, or 77 where less was granted. */
const char *grant_fault(jv authorization, jv token, struct error *error);

#endif
