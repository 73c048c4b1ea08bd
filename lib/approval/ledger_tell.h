/* How a ledger tells what happened: to the audit log, and to the journal. For ledger.c. A failure
 * is reported, and in *status; what the audit log lacks then is marked in the call (`untold`), for
 * the next command that has it. */
#ifndef CIBA_APPROVAL_LEDGER_TELL_H
#define CIBA_APPROVAL_LEDGER_TELL_H

#include "approval/ledger.h"

/* Appends these facts of the call to the audit log; with `again` only if it does not have them. The
 * call is not marked. Takes the facts. */
bool ledger_tell(const struct ledger *ledger, jv call, jv facts, bool again, int *status);

/* The same, and returns the call, marked. Takes the call and the facts. */
jv ledger_tell_facts(const struct ledger *ledger, jv call, jv facts, bool again, int *status);

/* The same with the newest facts of the call, if there is an audit log. Takes the call. */
jv ledger_tell_newest(const struct ledger *ledger, jv call, bool again, int *status);

/* The same with those of each call, at once. Takes the calls. */
jv ledger_tell_newest_of_all(const struct ledger *ledger, jv calls, int *status);

/* Records an outcome in the open journal. Takes the entry. */
void ledger_note(struct ledger *ledger, jv call, const char *step, const char *key, jv entry,
                 int *status);

#endif
