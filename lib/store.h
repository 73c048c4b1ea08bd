/* Approvals that can be used again: a folder with a file for each, encrypted (AES-256-GCM) by a key
 * that only the commands have.
 *
 * Which question an approval answers is its authorization's `reuse`, {"for": "call", "document" or
 * "agent"}: the same issuer, client, user, audience, scope and authorization_details, and for
 * "call" the same call_digest and binding_message, for "document" the same `document`. The file's
 * name is the digest of these, so that one approval is not found for another question. */
#ifndef CIBA_STORE_H
#define CIBA_STORE_H

#include "error.h"

#include <jv.h>
#include <stdbool.h>

struct store {
    const char *folder, *key, *client_id;
};

/* Keeps an approval and its token, in the place of an older one; no file if the token does not say
 * when it expires. False and an error with status 74. */
bool store_put(const struct store *store, jv authorization, jv token, struct error *error);

/* The kept approval for the question: {"authorization": …, "token": …}, invalid if there is none,
 * it has expired or will within 30 seconds (then it is deleted), or cannot be decrypted. */
jv store_get(const struct store *store, jv authorization);

#endif
