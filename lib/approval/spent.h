/* The folder of spent approvals, or in a stage what agent-spool records of them: a small file for
 * each, so that an approval is used only once, in whichever document or spool. The file's name
 * begins with the expiry time of the call's token, or "never", also if it can be refreshed; the
 * file is a journal of executions (journal.h). */
#ifndef CIBA_APPROVAL_SPENT_H
#define CIBA_APPROVAL_SPENT_H

#include "approval/ledger.h"
#include "base/error.h"

#include <jv.h>
#include <stdbool.h>

/* Marks an approval as used, if spent approvals are recorded (CIBA_SPENT). Its file, named by the
 * token's expiry and the execution's key, is locked until spent_end. Call it between
 * ledger_executing and the execution. Sets *again if this same execution was begun before,
 * according to the document's journal. */
enum spending {
    SPENT_NOW,     /* this execution may use it */
    SPENT_BEFORE,  /* already used */
    SPENT_UNKNOWN, /* another execution was begun with it, and its outcome is unknown */
    SPENT_ERROR    /* it cannot be recorded: status 74 */
};
enum spending spent_begin(struct ledger *ledger, jv call, const char *key, bool *again,
                          struct error *error);
/* Call it after the execution. If the use is unknown, or not used but an earlier try of it is, the
 * file still says begun. */
enum spent_use { USED, NOT_USED, USE_UNKNOWN };
void spent_end(struct ledger *ledger, jv call, const char *key, enum spent_use use, int *status);

/* Whether the folder of spent approvals, if there is one, has an execution with this key that was
 * begun and not given up, whatever its token's expiry. An unreadable record counts as one. */
bool spent_has(const struct ledger *ledger, const char *key);

/* The folder for all spools of this user: CIBA_SPENT, else `spent` in STATE_DIRECTORY, else
 * `ciba-tools/spent` in XDG_STATE_HOME or ~/.local/state, else `spent` in this spool. Creates it,
 * and removes the files of tokens that expired more than a day ago. The caller frees; NULL and an
 * error with status 74. */
char *spent_for_spool(const char *spool, struct error *error);

#endif
