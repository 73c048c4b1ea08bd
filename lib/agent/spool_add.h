/* Adds the documents of stdin to a spool: agent-spool add. */
#ifndef CIBA_AGENT_SPOOL_ADD_H
#define CIBA_AGENT_SPOOL_ADD_H

#include "agent/store.h"

/* Reads all of stdin, adds each document to the open store, and prints its name when it is durable.
 * What has come is durable before more is waited for, in one commit. Reports bad documents, and
 * those that are not added, and goes on. Returns the exit status. */
int spool_add(struct store *store);

#endif
