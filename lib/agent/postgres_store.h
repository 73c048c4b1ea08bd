/* The kind of store (store.h) that is a schema in a PostgreSQL database: any number of machines
 * work on one spool. ciba-postgresql(7) has what it promises, and what that takes. */
#ifndef CIBA_AGENT_POSTGRES_STORE_H
#define CIBA_AGENT_POSTGRES_STORE_H

#include "agent/postgres_url.h"
#include "agent/store.h"

enum { POSTGRES_LEAST_TIMEOUT = 5, POSTGRES_TIMEOUT = 30 /* seconds */ };

/* Set before open. */
struct postgres_settings {
    const char *key_file;  /* of the key of tokens; NULL: CIBA_SPOOL_KEY */
    double worker_timeout; /* seconds without a sign of life until others take over */
};
extern struct postgres_settings postgres_settings;

/* clang-format off */
#define POSTGRES_OPTIONS \
    {0, "spool-key-file", "FILE", OPTION_SECRET, &postgres_settings.key_file, \
     "postgresql: file with the key that tokens are encrypted with (CIBA_SPOOL_KEY)"}, \
    {0, "worker-timeout", "SECONDS", OPTION_SECONDS, &postgres_settings.worker_timeout, \
     "postgresql run: others take over after so long without a sign of life (30)"}
/* clang-format on */

/* `where` is a URL. A spool must have been made by `agent-spool init`, whatever it is opened for.
 */
extern const struct store_kind postgres_store;

/* The key of the settings, *key NULL if there is none. False and an error: 66, 78. */
bool postgres_spool_key(const char **key, struct error *error);

#endif
