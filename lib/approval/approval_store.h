/* The store of reusable approvals: a folder with one file each, encrypted (AES-256-GCM) with a key
 * that only the commands have.
 *
 * The authorization's `reuse`, {"for": "call", "document" or "agent"}, tells which questions an
 * approval answers: those with the same issuer, client, user, audience, scope and
 * authorization_details, and for "call" the same call_digest and whole message (`message`, or
 * `binding_message` if that is the whole), for "document" the same `document`. The file's name is
 * the digest of these, so another question cannot find the approval. */
#ifndef CIBA_APPROVAL_APPROVAL_STORE_H
#define CIBA_APPROVAL_APPROVAL_STORE_H

#include "base/error.h"

#include <jv.h>
#include <stdbool.h>

struct approval_store {
    const char *folder, *key, *client_id;
};

/* Stores an approval and its token, replacing an older one; does nothing if the token has no expiry
 * time. False and an error with status 74. */
bool approval_store_put(const struct approval_store *store, jv authorization, jv token,
                        struct error *error);

/* The stored approval for the question: {"authorization": …, "token": …}. Invalid if there is none,
 * it has expired or will within 30 seconds (then it is deleted), or it cannot be decrypted. */
jv approval_store_get(const struct approval_store *store, jv authorization);

#endif
