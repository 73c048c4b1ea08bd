/* Leases: approvals that cover several calls, for a limited time and number of uses. They are in
 * the folder of the store (approval_store.h), a file each, encrypted with its key.
 *
 * Before the user is asked, the command that asks makes the offer, the authorization's `lease`:
 *
 *     {"id", "tool", "filter", "seconds", "uses", "without_token", "covers"}
 *
 * `covers` is the digest of what the lease covers, and names its file: calls of the same tool for
 * which the filter is true or, without a filter, only the same call (call_digest); asked by the
 * same client of the same user with the same message, audience, resources, scope, acr_values,
 * authorization_details and bounds, and in the same `place`. `proof` is then added, an HMAC with
 * the store's key over the offer and the request: a document cannot invent a lease.
 *
 * A lease begins when the approval arrives, which is its first use. It ends when the time is over,
 * no use is left, the clock was set back, the machine was started anew, or (unless it is
 * `without_token`) the access token expires. A lease that begins takes the place of an older one
 * with the same `covers`. */
#ifndef CIBA_APPROVAL_LEASE_H
#define CIBA_APPROVAL_LEASE_H

#include "approval/approval_store.h"
#include "base/error.h"

#include <jv.h>
#include <stdbool.h>

enum { LEASE_SECONDS_LIMIT = 86400, LEASE_USES_LIMIT = 1000 };

/* What is asked for. */
struct lease_bound {
    double seconds;     /* 0 for no lease */
    long uses;          /* with the first */
    const char *filter; /* NULL: only the same call */
    bool without_token; /* no token is kept: the executor needs none */
};

/* The offer for a call, of which the user is asked what the authorization says
 * (ciba_authorization); `place` is what else it is bound to, or invalid. Invalid if no double holds
 * one of its numbers. */
jv lease_offer(const struct approval_store *store, jv authorization, jv call,
               const struct lease_bound *bound, jv place);

/* The authorization of a request that was sent, with the `lease` and its proof. Takes both. */
jv lease_promise(const struct approval_store *store, jv authorization, jv offer);

/* Begins the lease that an approved authorization promises, once: not again if the same approval
 * arrives twice. Does nothing if no use or time is left. False and an error: 65 if the proof is
 * missing or wrong, 74, 78. */
bool lease_begin(const struct approval_store *store, jv authorization, jv token,
                 struct error *error);

/* Takes one use of the lease that covers this offer: {"authorization": …, "token": …}, where the
 * authorization's `lease` is {"id", "tool", "filter", "uses_left", "ends_at"}. The use is on the
 * disk as taken, whatever happens to it then. Invalid if there is none, and if it could not be
 * taken; then with an error, whose status is 0 otherwise. */
jv lease_use(const struct approval_store *store, jv offer, struct error *error);

/* The leases of the store that are not over, as an array of {"id", "tool", "filter", "client_id",
 * "issuer", "user", "login_hint", "approved_by", "binding_message", "uses", "uses_left",
 * "began_at", "ends_at"}. *unreadable counts the files that could not be decrypted. */
jv lease_list(const struct approval_store *store, size_t *unreadable, struct error *error);

/* Ends the lease with this id, or all for NULL; those that ended are added to the array *ended, as
 * from lease_list. False and an error with status 74 or 78. */
bool lease_end(const struct approval_store *store, const char *id, jv *ended, size_t *unreadable,
               struct error *error);

#endif
