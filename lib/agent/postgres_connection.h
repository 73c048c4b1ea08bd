/* A connection to PostgreSQL that is made again when it is lost. Nothing here waits without a
 * limit: not for the network, not for a lock, not for the server. */
#ifndef CIBA_AGENT_POSTGRES_CONNECTION_H
#define CIBA_AGENT_POSTGRES_CONNECTION_H

#include "agent/postgres_library.h"
#include "agent/postgres_url.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

#ifdef POSTGRES

enum {
    POSTGRES_STATEMENT_SECONDS = 10, /* the server ends a statement then; we a second later */
    POSTGRES_LOCK_SECONDS = 5,
    POSTGRES_CONNECT_SECONDS = 5, /* for each address */
    POSTGRES_LEAST_VERSION = 120000,
    POSTGRES_PREPARED = 4 /* statements of a connection */
};

struct postgres_connection {
    struct postgres_url url;
    PGconn *server;
    char *name;   /* for messages: user, host, port and database, never a password */
    bool listens; /* LISTENs for documents to take */
    bool warned;  /* the server gave a warning since postgres_query began */
    const char *prepared[POSTGRES_PREPARED];
    size_t prepared_count;
};

/* What became of a statement. */
enum postgres_outcome {
    POSTGRES_DONE,
    POSTGRES_REFUSED, /* the server said no, for a reason that stays: nothing is done */
    POSTGRES_AGAIN,   /* nothing is done; it may go well the next time (a deadlock, a lock) */
    POSTGRES_FENCED,  /* nothing is done: our functions say that this worker was given up */
    POSTGRES_BROKEN   /* the connection is lost, and whether it is done is unknown */
};

/* Parses the URL (libpq's, with the parameter `schema`), and connects. False and an error: 69 the
 * server is not reached, or is of no use; 77 it refuses us; 78 the URL is wrong. On failure nothing
 * is left to close. */
bool postgres_connect(struct postgres_connection *connection, const char *url, bool writes,
                      struct error *error);
void postgres_disconnect(struct postgres_connection *connection);

/* Connects once more, in place of what was lost. */
bool postgres_reconnect(struct postgres_connection *connection, struct error *error);

/* Executes one statement with text parameters (NULL is SQL's null). Sets *result if POSTGRES_DONE,
 * which the caller frees by libpq.PQclear; else an error. After POSTGRES_BROKEN only
 * postgres_reconnect and postgres_disconnect may follow. */
enum postgres_outcome postgres_query(struct postgres_connection *connection, const char *statement,
                                     const char *const *values, size_t count, PGresult **result,
                                     struct error *error);

/* The same for a statement that comes often: the server parses it once in a connection. Its text
 * lives as long as the connection. */
enum postgres_outcome postgres_prepared(struct postgres_connection *connection,
                                        const char *statement, const char *const *values,
                                        size_t count, PGresult **result, struct error *error);

/* Reads what has come, without waiting. Whether there was a notification. */
bool postgres_notified(struct postgres_connection *connection);

/* Server settings that weaken what the spool promises: said on stderr. */
void postgres_warn_of_settings(struct postgres_connection *connection);

#endif

#endif
