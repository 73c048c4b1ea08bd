/* The engine of an agent spool: one process that takes the documents that are due, gives them to
 * the processes of the stages, several at a time, and alone writes down what these are about to do
 * and have done (store.h), before it lets them go on. */
#ifndef CIBA_AGENT_ENGINE_H
#define CIBA_AGENT_ENGINE_H

#include "agent/engine_settings.h"
#include "agent/store.h"

/* Takes each due document of the open store through the stages: once, or with `waits` until none is
 * left. SIGTERM and SIGINT end it: what is worked on is waited for a few seconds, and stays in the
 * queue otherwise. Reports failures and returns the exit status: STATUS_NOT_YET if documents stay
 * in the queue. */
int engine_run(struct store *store, const struct engine_settings *settings);

#endif
