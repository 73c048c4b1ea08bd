/* Which calls the user may be asked about anew, with --again: those that came to nothing. A call
 * that was executed, or perhaps was, is never one of them. */
#ifndef CIBA_CIBA_AGAIN_H
#define CIBA_CIBA_AGAIN_H

#include "approval/ledger.h"
#include "base/error.h"

#include <jv.h>
#include <stdbool.h>

/* Whether the question about the call is over, and nothing was done: it was denied, or has expired
 * or failed, or its result says that it was refused and not executed. False with status 0 in the
 * error for a call that --again is not about: one without a question, pending, or executed. False
 * and an error with status 65 for one that has come to nothing, as it seems, or perhaps has, and
 * yet cannot be asked about: its outcome is unknown, it is approved and has no result, the model
 * has been told its result, its seal is broken, or the journal or the folder of spent approvals
 * says that it was executed. The document is the one with the call. */
bool again_may_ask(struct ledger *ledger, jv document, jv call, struct error *error);

/* The call with `anew` in its authorization: whatever becomes of the next question, only the user
 * answers it, and not an approval that was kept. Takes the call. */
jv again_mark(jv call);
bool again_marked(jv call);

/* The same call as one that nobody has been asked about, but marked. Takes the call. */
jv again_new_call(jv call);

#endif
