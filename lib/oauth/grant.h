/* Whether the provider granted what was asked for. A provider may grant less, and at best its
 * answer says so: RFC 6749 §3.3 and §5.1. */
#ifndef CIBA_OAUTH_GRANT_H
#define CIBA_OAUTH_GRANT_H

#include "base/error.h"

#include <jv.h>
#include <stdbool.h>
#include <stddef.h>

/* Compares a call's token with its authorization: the token's form and type (RFC 6749 §7.1, RFC
 * 6750 §2.1), scope, audience and resources (RFC 8707 §2), authorization_details (RFC 9396 §7), and
 * the acr of the ID token (OIDC Core 1.0 §3.1.3.7). Claims in a JWT are read unverified: they can
 * only cause a refusal. NULL if all matches; else the document's error code, a constant, and an
 * error with status 65, or 77 if less was granted. */
const char *grant_fault(jv authorization, jv token, struct error *error);

/* Whether a claim, a space-separated list or an array of words, has the word of this size. */
bool claim_has(jv claims, const char *name, const char *word, size_t size);

#endif
