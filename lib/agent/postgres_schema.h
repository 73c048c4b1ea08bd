/* The spool's schema in a database: what `agent-spool init` makes, and migrates. ciba-postgresql(7)
 * documents it for people. */
#ifndef CIBA_AGENT_POSTGRES_SCHEMA_H
#define CIBA_AGENT_POSTGRES_SCHEMA_H

#include "agent/postgres_connection.h"
#include "base/error.h"

#include <stdbool.h>

/* Makes the schema that the URL names, or migrates it to this version; does nothing to one of this
 * version. All in one transaction. With a key of tokens (not NULL), a schema that has another is
 * refused. Sets *from and *to to the versions (0: there was none). False and an error: 69, 74, 77,
 * 78. */
bool postgres_init(const char *url, const char *key, int *from, int *to, struct error *error);

#ifdef POSTGRES

/* Whether the database has the schema, in this version, and UTF-8. False and an error: 66 there is
 * none, 78 it must be migrated, or is of a later version of this command. */
bool postgres_schema_fits(struct postgres_connection *connection, struct error *error);

/* Whether the key is the one that the schema's tokens are encrypted with; the first one is it
 * from then on. False and an error: 78 it is another, 77 this role may not set it. */
bool postgres_key_fits(struct postgres_connection *connection, const char *key,
                       struct error *error);

#endif

#endif
