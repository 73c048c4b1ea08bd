/* The folder of spent approvals: a small file for each, so that an approval is used once, whichever
 * document or spool it stands in. record_spend (record.h) says what is in them. */
#ifndef CIBA_SPENT_H
#define CIBA_SPENT_H

#include "error.h"

#include <jv.h>

/* The file for the execution `key` of a call: its name begins with when the call's token expires,
 * or with "never". The caller frees. */
char *spent_path(const char *folder, jv call, const char *key);

/* The folder for all spools of this user: CIBA_SPENT, else `spent` in STATE_DIRECTORY, else
 * `ciba-tools/spent` in XDG_STATE_HOME or ~/.local/state, else `spent` in this spool. Makes it, and
 * removes the files of tokens that expired a day ago. The caller frees; NULL and an error with
 * status 74. */
char *spent_for_spool(const char *spool, struct error *error);

#endif
