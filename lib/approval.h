/* An approval, before anything is done on the strength of it: the one check of all that execute. */
#ifndef CIBA_APPROVAL_H
#define CIBA_APPROVAL_H

#include "error.h"
#include "record.h"

#include <jv.h>
#include <stdbool.h>

/* Whether the token of the call is bound to a key (RFC 9449). */
bool approval_is_dpop(jv call);

/* Whether an approved call may be executed: it is what the user was asked (record_trusts), what was
 * granted is what was asked for (grant_fault), and its token has not expired. With `dpop` the token
 * must be bound to a key, for then a Bearer token is a downgrade (RFC 9449 §5); without, it must
 * not be. False and an error: 65; 1 for an expired token; 77 for a permission that was not granted;
 * 78 where a key is needed. */
bool approval_holds(const struct record *record, jv call, bool dpop, struct error *error);

#endif
