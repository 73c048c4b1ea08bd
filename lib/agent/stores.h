/* Which kinds of stores there are. */
#ifndef CIBA_AGENT_STORES_H
#define CIBA_AGENT_STORES_H

#include "agent/store.h"

/* The kind of the store that an operand names: a folder, unless it begins as the address of another
 * kind. NULL and an error with status 78 if this build does not have that kind. */
const struct store_kind *store_kind_of(const char *where, struct error *error);

#endif
