/* Processes the queue of an agent spool. */
#ifndef CIBA_AGENT_SPOOL_RUN_H
#define CIBA_AGENT_SPOOL_RUN_H

#include "agent/agent_spool.h"
#include "agent/stages.h"

#include <stdbool.h>

/* Takes each due document through the stages, once; with `wait` until none is left to wait for.
 * Reports failures and returns the exit status: STATUS_NOT_YET if some stay in the queue. */
int spool_run(const struct agent_spool *spool, const struct stages *stages, bool wait);

#endif
