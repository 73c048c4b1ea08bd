/* The seal of an authorization: HMAC-SHA-256, by a key that only the commands have, over the
 * canonical form (RFC 8785) of the call's id, name, arguments, result and `untold`, its token's
 * digest, and all of its `authorization` but what polling changes (interval, next_poll_at). So
 * whoever can write to a document can neither change what was approved nor put another's approval
 * in its place. */
#ifndef CIBA_SEAL_H
#define CIBA_SEAL_H

#include "error.h"

#include <jv.h>
#include <stdbool.h>

enum { SEAL_KEY_LEAST = 32 }; /* characters of a key */

/* The call with its authorization sealed. Takes the call. One that cannot be sealed (a number that
 * no double holds) is returned without a seal, and will not be believed. */
jv seal_call(jv call, const char *key);

/* Whether the seal is there and right. False and an error with status 65. */
bool seal_holds(jv call, const char *key, struct error *error);

#endif
