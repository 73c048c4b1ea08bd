/* The seal of an authorization: an HMAC-SHA-256 with a key that only the commands have. It covers
 * the canonical form (RFC 8785) of the call's id, name, arguments, result and `untold`, its token's
 * digest, and its `authorization` except what polling changes (interval, next_poll_at). So nobody
 * who can write to a document can change what was approved or substitute another approval. */
#ifndef CIBA_APPROVAL_SEAL_H
#define CIBA_APPROVAL_SEAL_H

#include "base/error.h"

#include <jv.h>
#include <stdbool.h>

enum { SEAL_KEY_LEAST = 32 }; /* minimum length of a key in characters */

/* Whether a key, NULL for none, is long enough. False and an error with status 78; `whose` is what
 * the key is of, in messages. */
bool seal_key_is_long(const char *key, const char *whose, struct error *error);

/* "hmac-sha-256:…" over a text; the caller frees. What is sealed with one key for several purposes
 * must say in the text what it is for. */
char *seal_of(const char *text, const char *key);

/* The call with its authorization sealed. Takes the call. A call that cannot be sealed (a number
 * that no double holds) is returned without a seal and will not be trusted. */
jv seal_call(jv call, const char *key);

/* Whether the seal is present and correct. False and an error with status 65. */
bool seal_holds(jv call, const char *key, struct error *error);

#endif
