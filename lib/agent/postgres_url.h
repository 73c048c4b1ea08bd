/* The URL of a spool in PostgreSQL, as libpq reads it, and what we put in where it says nothing. */
#ifndef CIBA_AGENT_POSTGRES_URL_H
#define CIBA_AGENT_POSTGRES_URL_H

#include "agent/postgres_library.h"

#include <stdbool.h>
#include <stddef.h>

/* Whether a spool's place is a URL of PostgreSQL, not a folder. */
bool postgres_url_is(const char *where);

#ifdef POSTGRES

enum { POSTGRES_PARAMETERS = 80 };

struct postgres_url {
    PQconninfoOption *options; /* what the URL says, without its `schema` */
    char *schema;
    const char *password; /* of PGPASSWORD; NULL for none */
    char *password_file;  /* ~/.pgpass or PGPASSFILE; NULL for none */
    char *folder;         /* ~/.postgresql, with the user's certificates; NULL for none */
    const char *roots;    /* the file of CA certificates, where libpq would find none; or NULL */
    bool writes;          /* a server that only reads is of no use */
    bool far;             /* a host is neither a socket nor loopback */
};

/* Parses it. Its password becomes a known secret (redact.h). False and an error with status 78,
 * which has nothing of the URL in it; then there is nothing to free. */
bool postgres_url_parse(struct postgres_url *url, const char *text, bool writes,
                        struct error *error);
void postgres_url_free(struct postgres_url *url);

/* The parameter of that name in the URL, NULL if it has none. */
const char *postgres_url_get(const struct postgres_url *url, const char *name);

/* Sets libpq's parameters, up to a NULL in each array. They live as long as the URL. */
void postgres_url_parameters(const struct postgres_url *url, const char *names[POSTGRES_PARAMETERS],
                             const char *values[POSTGRES_PARAMETERS]);

#endif

#endif
