/* Checks whether a document can be trusted: that a call may be polled, and that an approval is
 * valid. */
#ifndef CIBA_CIBA_PROOF_H
#define CIBA_CIBA_PROOF_H

#include "approval/ledger.h"
#include "base/error.h"
#include "oauth/client.h"

#include <jv.h>
#include <stdbool.h>

struct proof {
    struct client *client;
    struct ledger *ledger;
    bool gate;            /* check as strictly as before executing a call */
    struct error no_keys; /* why fetching the issuer's keys failed last time */
    double no_keys_until; /* when they are fetched again */
};

/* Whether a pending call may be polled: it was asked at the client's issuer, and is what the user
 * was asked (ledger_trusts). If not, reports it and makes *status worse. */
bool proof_may_poll(const struct proof *proof, jv call, int *status);

/* Whether an approved call is valid: asked at the client's issuer, what the user was asked, and
 * without a seal its ID token is from the issuer, for this client, user and request, unless this
 * process took it from the store (ledger_gave). Fetches the issuer's keys. If not, reports it and
 * makes *status worse. */
bool proof_of_approval(struct proof *proof, jv call, int *status);

/* Whether an executor could use the approval (approval_holds). What this process took from the
 * store may be without a token: then the call need only be what was approved. False and an error.
 */
bool proof_holds(const struct proof *proof, jv call, struct error *error);

/* The worst of `before` and the statuses of the document's calls (call_exit_status). For a gate, a
 * call that nobody was asked about, or that an executor would refuse, is not approved. */
int proof_document_status(const struct proof *proof, jv document, int before);

#endif
