#include "agent/postgres_connection.h"

#ifdef POSTGRES

#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What our functions in the database raise for a worker that was given up (postgres_schema.c). */
#define FENCED "CB001"

/* The server's words without the lines after the first. The caller frees. */
static char *words_of(const char *message) {
    const char *from = message != NULL ? message : "";
    static const char *const levels[] = {"FATAL:  ", "ERROR:  "};
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        const char *found = strstr(from, levels[i]);
        from = found != NULL ? found + strlen(levels[i]) : from;
    }
    return must_format("%.*s", (int)strcspn(from, "\n"), from);
}

/* Waits for the socket until the deadline (clock_elapsed). False if that is over. */
static bool wait_for(int socket, bool writes, double deadline) {
    struct pollfd wanted = {socket, (short)(POLLIN | (writes ? POLLOUT : 0)), 0};
    for (;;) {
        double left = deadline - clock_elapsed();
        int ready = left <= 0 ? 0 : poll(&wanted, 1, (int)(left * 1000) + 1);
        if (ready > 0)
            return true;
        if (ready == 0 || errno != EINTR)
            return false;
    }
}

static bool finish_connecting(PGconn *server) {
    double deadline = clock_elapsed() + 4 * POSTGRES_CONNECT_SECONDS;
    PostgresPollingStatusType state = PGRES_POLLING_WRITING;
    while (state != PGRES_POLLING_OK && state != PGRES_POLLING_FAILED) {
        struct pollfd wanted = {libpq.PQsocket(server),
                                state == PGRES_POLLING_READING ? POLLIN : POLLOUT, 0};
        double left = deadline - clock_elapsed();
        int ready = left <= 0 ? 0 : poll(&wanted, 1, (int)(left * 1000) + 1);
        if (ready == 0 || (ready < 0 && errno != EINTR))
            return false;
        if (ready > 0)
            state = libpq.PQconnectPoll(server);
    }
    return state == PGRES_POLLING_OK;
}

/* Why there is no connection. With PQERRORS_VERBOSE the server's words begin with its code. */
static bool tell_not_connected(const struct postgres_connection *connection, PGconn *server,
                               struct error *error) {
    const char *message = libpq.PQerrorMessage(server);
    char *words = words_of(message);
    bool refused = strncmp(words, "28", 2) == 0 || strncmp(words, "42501", 5) == 0;
    bool missing = strncmp(words, "3D000", 5) == 0;
    bool standby = strstr(message, "read-only") != NULL;
    const char *plain = strlen(words) > 7 && words[5] == ':' ? words + 7 : words;
    int status = refused ? STATUS_REFUSED : missing ? STATUS_CONFIG : STATUS_UNAVAILABLE;
    fail(error, status, "%s: %s%s", connection->name,
         *plain != '\0' ? plain : "the server did not answer in time",
         standby ? ": it is a standby, or starts as one; name the primary, or all servers, "
                   "separated by commas"
                 : "");
    free(words);
    return false;
}

static void receive_notice(void *context, const PGresult *result) {
    struct postgres_connection *connection = context;
    const char *severity = libpq.PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    const char *words = libpq.PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    if (severity == NULL || strcmp(severity, "WARNING") != 0)
        return;
    connection->warned = true;
    report(connection->name, "%s", words != NULL ? words : "a warning");
}

/* What each session begins with. The schema is a plain name (postgres_url.c); pg_temp is last, or
 * it would be first. What we ask for follows an index, one row after the other, and stops: other
 * plans would read all of a long queue each time. */
static bool set_up(struct postgres_connection *connection, struct error *error) {
    const char *schema = connection->url.schema;
    char *search = must_format("%s, pg_temp", schema);
    char *statement = must_format("%d", POSTGRES_STATEMENT_SECONDS * 1000);
    char *lock = must_format("%d", POSTGRES_LOCK_SECONDS * 1000);
    const char *values[] = {search, statement, lock};
    PGresult *result = NULL;
    bool good = postgres_query(connection,
                               "SELECT set_config('search_path', $1, false), "
                               "set_config('statement_timeout', $2, false), "
                               "set_config('lock_timeout', $3, false), "
                               "set_config('idle_in_transaction_session_timeout', $2, false), "
                               "set_config('TimeZone', 'UTC', false), "
                               "set_config('DateStyle', 'ISO', false), "
                               "set_config('enable_seqscan', 'off', false), "
                               "set_config('enable_bitmapscan', 'off', false), "
                               "set_config('enable_sort', 'off', false), "
                               "set_config('plan_cache_mode', 'force_generic_plan', false), "
                               "set_config('jit', 'off', false)",
                               values, 3, &result, error) == POSTGRES_DONE;
    libpq.PQclear(result);
    result = NULL;
    if (good && connection->listens) {
        char *listen = must_format("LISTEN %s", schema);
        good = postgres_query(connection, listen, NULL, 0, &result, error) == POSTGRES_DONE;
        libpq.PQclear(result);
        free(listen);
    }
    free(search);
    free(statement);
    free(lock);
    return good;
}

/* The name for messages. The caller frees. */
static char *name_of(const PGconn *server) {
    const char *host = libpq.PQhost(server), *user = libpq.PQuser(server);
    const char *database = libpq.PQdb(server), *port = libpq.PQport(server);
    return must_format("postgresql://%s%s%s%s%s/%s", user != NULL ? user : "",
                       user != NULL ? "@" : "", host != NULL ? host : "",
                       port != NULL && *port != '\0' ? ":" : "", port != NULL ? port : "",
                       database != NULL ? database : "");
}

bool postgres_reconnect(struct postgres_connection *connection, struct error *error) {
    const char *names[POSTGRES_PARAMETERS], *values[POSTGRES_PARAMETERS];
    libpq.PQfinish(connection->server);
    connection->server = NULL;
    postgres_url_parameters(&connection->url, names, values);
    PGconn *server = libpq.PQconnectStartParams(names, values, 0);
    if (server == NULL)
        out_of_memory();
    libpq.PQsetErrorVerbosity(server, PQERRORS_VERBOSE);
    libpq.PQsetNoticeReceiver(server, receive_notice, connection);
    bool good = libpq.PQstatus(server) != CONNECTION_BAD && finish_connecting(server);
    if (connection->name == NULL || good) {
        free(connection->name);
        connection->name = name_of(server);
    }
    if (!good)
        tell_not_connected(connection, server, error);
    else if (libpq.PQserverVersion(server) < POSTGRES_LEAST_VERSION)
        good = fail(error, STATUS_UNAVAILABLE,
                    "%s: is PostgreSQL %d; a spool needs version 12 or later", connection->name,
                    libpq.PQserverVersion(server) / 10000);
    if (!good) {
        libpq.PQfinish(server);
        return false;
    }
    libpq.PQsetErrorVerbosity(server, PQERRORS_DEFAULT);
    libpq.PQsetnonblocking(server, 1);
    connection->server = server;
    connection->prepared_count = 0;
    if (set_up(connection, error))
        return true;
    libpq.PQfinish(server);
    connection->server = NULL;
    return false;
}

bool postgres_connect(struct postgres_connection *connection, const char *url, bool writes,
                      struct error *error) {
    *connection = (struct postgres_connection){0};
    if (!postgres_library_load(error) || !postgres_url_parse(&connection->url, url, writes, error))
        return false;
    if (postgres_reconnect(connection, error))
        return true;
    postgres_disconnect(connection);
    return false;
}

void postgres_disconnect(struct postgres_connection *connection) {
    libpq.PQfinish(connection->server);
    connection->server = NULL;
    postgres_url_free(&connection->url);
    free(connection->name);
    connection->name = NULL;
}

static enum postgres_outcome broken(struct postgres_connection *connection, const char *words,
                                    struct error *error) {
    char *first = words_of(words);
    fail(error, STATUS_UNAVAILABLE, "%s: the connection is lost: %s", connection->name,
         *first != '\0' ? first : "the server does not answer");
    free(first);
    return POSTGRES_BROKEN;
}

/* Sends what is buffered and reads until a result is complete. */
static bool exchange(struct postgres_connection *connection, double deadline) {
    PGconn *server = connection->server;
    for (;;) {
        int unsent = libpq.PQflush(server);
        if (unsent < 0)
            return false;
        if (unsent == 0 && !libpq.PQisBusy(server))
            return true;
        if (!wait_for(libpq.PQsocket(server), unsent > 0, deadline) ||
            !libpq.PQconsumeInput(server))
            return false;
    }
}

static bool begins_with(const char *code, const char *class) {
    return strncmp(code, class, strlen(class)) == 0;
}

/* What an error of the server means, by its code. */
static enum postgres_outcome judge(struct postgres_connection *connection, const PGresult *result,
                                   struct error *error) {
    const char *code = libpq.PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *words = libpq.PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    code = code != NULL ? code : "";
    if (words == NULL || begins_with(code, "08") || begins_with(code, "57P") ||
        begins_with(code, "25006") || begins_with(code, "F")) /* 25006: it became a standby */
        return broken(connection, words, error);
    bool again = begins_with(code, "40") || begins_with(code, "55P03") ||
                 begins_with(code, "57014") || begins_with(code, "53300");
    bool denied = begins_with(code, "42501");
    bool missing =
        begins_with(code, "42P01") || begins_with(code, "42883") || begins_with(code, "3F000");
    bool fenced = strcmp(code, FENCED) == 0;
    fail(error,
         again     ? STATUS_UNAVAILABLE
         : denied  ? STATUS_REFUSED
         : missing ? STATUS_CONFIG
                   : STATUS_IO,
         "%s: %s%s", connection->name, words,
         denied    ? "; see ciba-postgresql(7) for the rights of each role"
         : missing ? "; agent-spool init makes the schema, or migrates it"
         : fenced  ? "; others go on with its documents (see --worker-timeout)"
                   : "");
    return fenced ? POSTGRES_FENCED : again ? POSTGRES_AGAIN : POSTGRES_REFUSED;
}

/* What has been sent is answered by then. */
static enum postgres_outcome finish(struct postgres_connection *connection, PGresult **result,
                                    struct error *error) {
    PGconn *server = connection->server;
    double deadline = clock_elapsed() + POSTGRES_STATEMENT_SECONDS + 1;
    PGresult *kept = NULL;
    for (;;) {
        if (!exchange(connection, deadline)) {
            libpq.PQclear(kept);
            return broken(connection, libpq.PQerrorMessage(server), error);
        }
        PGresult *next = libpq.PQgetResult(server);
        if (next == NULL)
            break;
        libpq.PQclear(kept);
        kept = next;
    }
    if (libpq.PQstatus(server) == CONNECTION_BAD || kept == NULL) {
        libpq.PQclear(kept);
        return broken(connection, libpq.PQerrorMessage(server), error);
    }
    ExecStatusType status = libpq.PQresultStatus(kept);
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) {
        *result = kept;
        return POSTGRES_DONE;
    }
    enum postgres_outcome outcome = judge(connection, kept, error);
    libpq.PQclear(kept);
    return outcome;
}

enum postgres_outcome postgres_query(struct postgres_connection *connection, const char *statement,
                                     const char *const *values, size_t count, PGresult **result,
                                     struct error *error) {
    PGconn *server = connection->server;
    *result = NULL;
    connection->warned = false;
    if (server == NULL)
        return broken(connection, "", error);
    if (!libpq.PQsendQueryParams(server, statement, (int)count, NULL, values, NULL, NULL, 0))
        return broken(connection, libpq.PQerrorMessage(server), error);
    return finish(connection, result, error);
}

enum postgres_outcome postgres_prepared(struct postgres_connection *connection,
                                        const char *statement, const char *const *values,
                                        size_t count, PGresult **result, struct error *error) {
    PGconn *server = connection->server;
    char name[24];
    size_t i = 0;
    while (i < connection->prepared_count && strcmp(connection->prepared[i], statement) != 0)
        i++;
    if (server == NULL || i == POSTGRES_PREPARED)
        return postgres_query(connection, statement, values, count, result, error);
    snprintf(name, sizeof name, "s%zu", i);
    *result = NULL;
    connection->warned = false;
    if (i == connection->prepared_count) {
        if (!libpq.PQsendPrepare(server, name, statement, (int)count, NULL))
            return broken(connection, libpq.PQerrorMessage(server), error);
        enum postgres_outcome outcome = finish(connection, result, error);
        if (outcome != POSTGRES_DONE)
            return outcome;
        libpq.PQclear(*result);
        *result = NULL;
        connection->prepared[connection->prepared_count++] = statement;
    }
    if (!libpq.PQsendQueryPrepared(server, name, (int)count, values, NULL, NULL, 0))
        return broken(connection, libpq.PQerrorMessage(server), error);
    return finish(connection, result, error);
}

bool postgres_notified(struct postgres_connection *connection) {
    bool notified = false;
    if (connection->server == NULL || !libpq.PQconsumeInput(connection->server))
        return false;
    for (PGnotify *notify; (notify = libpq.PQnotifies(connection->server)) != NULL;) {
        notified = true;
        libpq.PQfreemem(notify);
    }
    return notified;
}

void postgres_warn_of_settings(struct postgres_connection *connection) {
    static const struct {
        const char *name, *wrong, *words;
    } settings[] = {
        {"fsync", "off", "a crash of its machine can lose or break all that was written"},
        {"full_page_writes", "off", "a crash of its machine can break what was written"},
        {"synchronous_commit", "off",
         "a crash of the server loses what was written last: an order may be sent twice"},
    };
    struct error ignored;
    PGresult *result = NULL;
    if (postgres_query(connection,
                       "SELECT current_setting('fsync'), current_setting('full_page_writes'), "
                       "current_setting('synchronous_commit')",
                       NULL, 0, &result, &ignored) != POSTGRES_DONE)
        return;
    for (int i = 0; i < 3; i++)
        if (strcmp(libpq.PQgetvalue(result, 0, i), settings[i].wrong) == 0)
            report(connection->name, "%s is off at the server: %s", settings[i].name,
                   settings[i].words);
    libpq.PQclear(result);
}

#else

typedef int postgres_connection_is_empty;

#endif
