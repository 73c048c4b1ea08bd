/* Lists an agent spool, as a table for people or as JSON. */
#ifndef CIBA_AGENT_SPOOL_LIST_H
#define CIBA_AGENT_SPOOL_LIST_H

#include "agent/store.h"

#include <stdbool.h>

/* Lists the open store: a line for each call, in local time, or with `json` a line of JSON for each
 * document. Reports failures and returns the exit status. */
int spool_list(struct store *store, bool json);

#endif
