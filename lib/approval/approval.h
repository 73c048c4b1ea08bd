/* The check of an approval that every command makes before it executes the call. */
#ifndef CIBA_APPROVAL_APPROVAL_H
#define CIBA_APPROVAL_APPROVAL_H

#include "approval/ledger.h"
#include "base/error.h"

#include <jv.h>
#include <stdbool.h>

/* Whether the call's token is bound to a key (RFC 9449). */
bool approval_is_dpop(jv call);

/* Whether an approved call may be executed: it is what the user was asked (ledger_trusts), the
 * grant matches the question (grant_fault), and its token has not expired. With `dpop` the token
 * must be bound to a key, because a Bearer token would be a downgrade (RFC 9449 §5); without, it
 * must not be. False and an error: 65; 1 for an expired token; 77 for a permission that was not
 * granted; 78 if a key is needed. */
bool approval_holds(const struct ledger *ledger, jv call, bool dpop, struct error *error);

#endif
