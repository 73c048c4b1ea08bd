/* Which kinds of stores there are. */
#ifndef CIBA_AGENT_STORES_H
#define CIBA_AGENT_STORES_H

#include "agent/store.h"

/* The kind of the store that an operand names: a folder, unless it is a URL of PostgreSQL. */
const struct store_kind *store_kind_of(const char *where);

/* The name of a spool in the audit log: the folder's path, or host and database of a URL, without
 * user, password and parameters. The caller frees. Call it before the process gives up access to
 * files. */
char *store_shown(const char *where);

#endif
