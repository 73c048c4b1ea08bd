#include "agent/postgres_schema.h"

#include "agent/postgres_migrations.h"
#include "agent/postgres_tokens.h"

#include <stdlib.h>
#include <string.h>

#ifdef POSTGRES

/* The name that the check of the key is encrypted for; no document has it. */
#define KEY_CHECK "key check"

static bool execute(struct postgres_connection *connection, const char *statement,
                    struct error *error) {
    PGresult *result = NULL;
    bool good = postgres_query(connection, statement, NULL, 0, &result, error) == POSTGRES_DONE;
    libpq.PQclear(result);
    return good;
}

/* One value of one row, which the caller frees; NULL if there is none. False and an error. */
static bool ask(struct postgres_connection *connection, const char *statement, const char *value,
                char **answer, struct error *error) {
    PGresult *result = NULL;
    *answer = NULL;
    if (postgres_query(connection, statement, &value, value != NULL, &result, error) !=
        POSTGRES_DONE)
        return false;
    if (libpq.PQntuples(result) > 0 && !libpq.PQgetisnull(result, 0, 0))
        *answer = must_copy(libpq.PQgetvalue(result, 0, 0));
    libpq.PQclear(result);
    return true;
}

static bool check_encoding(const struct postgres_connection *connection, const char *encoding,
                           struct error *error) {
    return strcmp(encoding, "UTF8") == 0 || fail(error, STATUS_CONFIG,
                                                 "%s: the database has the encoding %s, and a "
                                                 "spool needs UTF8; create a database with it",
                                                 connection->name, encoding);
}

/* Sets *version to that of the schema, 0 if there is none. False and an error, also if its database
 * cannot have one. */
static bool read_version(struct postgres_connection *connection, int *version,
                         struct error *error) {
    char *facts, *text = NULL, *name = must_format("%s.schema_version", connection->url.schema);
    bool good = ask(
        connection,
        "SELECT current_setting('server_encoding') || ' ' || coalesce(to_regclass($1)::text, '')",
        name, &facts, error);
    char *table = facts != NULL ? strchr(facts, ' ') : NULL;
    *version = 0;
    if (good && table != NULL) {
        *table++ = '\0';
        good = check_encoding(connection, facts, error);
    }
    if (good && table != NULL && *table != '\0')
        good = ask(connection, "SELECT max(version)::text FROM schema_version", NULL, &text, error);
    if (text != NULL)
        *version = atoi(text);
    free(facts);
    free(text);
    free(name);
    return good;
}

static bool is_known(const struct postgres_connection *connection, int version,
                     struct error *error) {
    return version <= POSTGRES_VERSION ||
           fail(error, STATUS_CONFIG,
                "%s: the schema %s has version %d, of a later version of this command; this one "
                "knows %d: use the later one",
                connection->name, connection->url.schema, version, POSTGRES_VERSION);
}

bool postgres_schema_fits(struct postgres_connection *connection, struct error *error) {
    int version;
    if (!read_version(connection, &version, error) || !is_known(connection, version, error))
        return false;
    if (version == POSTGRES_VERSION)
        return true;
    if (version == 0)
        return fail(error, STATUS_NO_FILE,
                    "%s: has no spool in the schema %s; agent-spool init "
                    "makes it",
                    connection->name, connection->url.schema);
    return fail(error, STATUS_CONFIG,
                "%s: the schema %s has version %d; agent-spool init migrates it to %d",
                connection->name, connection->url.schema, version, POSTGRES_VERSION);
}

bool postgres_key_fits(struct postgres_connection *connection, const char *key,
                       struct error *error) {
    char *check;
    if (!ask(connection, "SELECT value FROM settings WHERE name = 'key_check'", NULL, &check,
             error))
        return false;
    if (check == NULL) {
        char *mine = postgres_key_check_make(key, KEY_CHECK);
        /* Of two that come at once, one is kept. */
        bool good =
            ask(connection, "INSERT INTO settings VALUES ('key_check', $1) ON CONFLICT DO NOTHING",
                mine, &check, error) &&
            ask(connection, "SELECT value FROM settings WHERE name = 'key_check'", NULL, &check,
                error);
        free(mine);
        if (!good || check == NULL)
            return good &&
                   fail(error, STATUS_IO, "%s: the row key_check of %s.settings cannot be written",
                        connection->name, connection->url.schema);
    }
    bool fits = postgres_key_check_fits(key, KEY_CHECK, check);
    free(check);
    return fits ||
           fail(error, STATUS_CONFIG,
                "%s: the tokens in the schema %s are encrypted with another key than that of "
                "CIBA_SPOOL_KEY or --spool-key-file; all workers need the same",
                connection->name, connection->url.schema);
}

static bool migrate(struct postgres_connection *connection, int from, struct error *error) {
    bool good = true;
    for (int version = from; good && version < POSTGRES_VERSION; version++) {
        for (const char *const *sql = postgres_migrations[version]; good && *sql != NULL; sql++)
            good = execute(connection, *sql, error);
        char *note = must_format("INSERT INTO schema_version VALUES (%d)", version + 1);
        good = good && execute(connection, note, error);
        free(note);
    }
    return good;
}

/* In a transaction, with other inits waiting: makes what is missing. */
static bool make(struct postgres_connection *connection, int *from, struct error *error) {
    char *lock = must_format("SELECT pg_advisory_xact_lock(hashtext('ciba-tools %s'))",
                             connection->url.schema);
    char *schema = must_format("CREATE SCHEMA IF NOT EXISTS %s", connection->url.schema);
    char *there;
    bool good = execute(connection, lock, error) &&
                ask(connection, "SELECT 1 FROM pg_namespace WHERE nspname = $1",
                    connection->url.schema, &there, error);
    if (good && there == NULL) /* who may not make schemas can be given one */
        good = execute(connection, schema, error);
    if (good)
        free(there);
    good = good && read_version(connection, from, error) && is_known(connection, *from, error) &&
           (*from > 0 ||
            execute(connection,
                    "CREATE TABLE IF NOT EXISTS schema_version (version integer PRIMARY KEY,"
                    " made timestamptz NOT NULL DEFAULT now())",
                    error)) &&
           migrate(connection, *from, error);
    free(lock);
    free(schema);
    return good;
}

bool postgres_init(const char *url, const char *key, int *from, int *to, struct error *error) {
    struct postgres_connection connection;
    *to = POSTGRES_VERSION;
    if (!postgres_connect(&connection, url, true, error))
        return false;
    bool good = execute(&connection, "BEGIN", error) && make(&connection, from, error) &&
                (key == NULL || postgres_key_fits(&connection, key, error)) &&
                execute(&connection, "COMMIT", error);
    if (good)
        postgres_warn_of_settings(&connection);
    postgres_disconnect(&connection);
    return good;
}

#else

bool postgres_init(const char *url, const char *key, int *from, int *to, struct error *error) {
    (void)url, (void)key, (void)from, (void)to;
    return postgres_library_load(error);
}

#endif
