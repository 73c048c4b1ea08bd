/* Which kinds of stores there are. */
#ifndef CIBA_AGENT_STORES_H
#define CIBA_AGENT_STORES_H

#include "agent/store.h"

/* The kind of the store that an operand names: a folder, unless it is a URL of PostgreSQL. */
const struct store_kind *store_kind_of(const char *where);

#endif
