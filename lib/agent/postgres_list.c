#include "agent/postgres_state.h"

#ifdef POSTGRES

#include "base/clock.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LIST_SECONDS 30

/* A page ends after so many rows or characters, so that memory stays flat. */
static const char page[] =
    "SELECT name, due::text, extract(epoch FROM due), document FROM ("
    " SELECT name, due, document, sum(length(document)) OVER (ORDER BY due, name) AS total FROM ("
    "  SELECT name, due, document FROM ("
    "   SELECT name, due, document FROM documents WHERE lane = $1 AND (due, name) > "
    "    ($2::timestamptz, $3) UNION ALL"
    "   SELECT name, due, document FROM documents WHERE lane = 'polls' AND $1 = 'queue' AND "
    "    (due, name) > ($2::timestamptz, $3)) AS lanes ORDER BY due, name LIMIT 1000) AS rows) "
    " AS counted"
    " WHERE total - length(document) < 4000000 ORDER BY due, name";

/* Visits a row. False to end. */
static bool visit_row(const PGresult *result, int row, store_visit *visit, void *context) {
    struct error why;
    const char *name = libpq.PQgetvalue(result, row, 0), *text = libpq.PQgetvalue(result, row, 3);
    jv document;
    bool good = json_parse(text, strlen(text), &document, &why);
    if (good && jv_get_kind(document) != JV_KIND_OBJECT) {
        jv_free(document);
        document = jv_invalid();
        good = fail(&why, STATUS_INPUT, "is not a JSON object");
    }
    bool more = visit(context, name, strtod(libpq.PQgetvalue(result, row, 2), NULL), document,
                      good ? NULL : &why);
    jv_free(document);
    return more;
}

long postgres_count(struct store *store, enum store_place place, struct error *error) {
    struct postgres_call call = {.statement = "SELECT count(*) FROM documents WHERE place = $1",
                                 .values = &postgres_places[place],
                                 .count = 1,
                                 .patience = LIST_SECONDS};
    long count = -1;
    if (postgres_call_plain((struct postgres_store *)store, &call, error) == POSTGRES_DONE)
        count = strtol(libpq.PQgetvalue(call.result, 0, 0), NULL, 10);
    libpq.PQclear(call.result);
    return count;
}

/* The first moment of a page, as text; the caller frees. */
static char *beginning(double since) {
    struct tm parts;
    time_t seconds = (time_t)since;
    char text[40];
    if (!(since > 0) || gmtime_r(&seconds, &parts) == NULL)
        return must_copy("-infinity");
    strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S+00", &parts);
    return must_copy(text);
}

bool postgres_each(struct store *store, enum store_place place, double since, store_visit *visit,
                   void *context, struct error *error) {
    struct postgres_store *self = (struct postgres_store *)store;
    char *due = beginning(since), *name = must_copy("");
    bool good = true, more = true;
    while (good && more) {
        const char *values[] = {postgres_places[place], due, name};
        struct postgres_call call = {
            .statement = page, .values = values, .count = 3, .patience = LIST_SECONDS};
        good = postgres_call_plain(self, &call, error) == POSTGRES_DONE;
        int rows = good ? libpq.PQntuples(call.result) : 0;
        more = rows > 0;
        for (int i = 0; more && i < rows; i++)
            more = visit_row(call.result, i, visit, context);
        if (rows > 0) {
            free(due);
            free(name);
            name = must_copy(libpq.PQgetvalue(call.result, rows - 1, 0));
            due = must_copy(libpq.PQgetvalue(call.result, rows - 1, 1));
        }
        libpq.PQclear(call.result);
    }
    free(due);
    free(name);
    return good;
}

/* Executes a statement. How many rows it changed; -1 and an error. */
static long change(struct postgres_store *store, const char *statement, const char *value,
                   struct error *error) {
    struct postgres_call call = {
        .statement = statement, .values = &value, .count = value != NULL, .patience = LIST_SECONDS};
    long count = -1;
    if (postgres_call_plain(store, &call, error) == POSTGRES_DONE)
        count = strtol(libpq.PQcmdTuples(call.result), NULL, 10);
    libpq.PQclear(call.result);
    return count;
}

/* Whether all are there. False and an error with status 66 that names one that is not. */
static bool all_failed(struct postgres_store *store, const char *names, struct error *error) {
    struct postgres_call call = {
        .statement =
            "SELECT n FROM unnest($1::text[]) AS n WHERE NOT EXISTS (SELECT FROM documents "
            "WHERE name = n AND place = 'failed') LIMIT 1",
        .values = &names,
        .count = 1,
        .patience = LIST_SECONDS};
    bool good = postgres_call_plain(store, &call, error) == POSTGRES_DONE;
    if (good && libpq.PQntuples(call.result) > 0)
        good = fail(error, STATUS_NO_FILE, "%s: no failed document has this name",
                    libpq.PQgetvalue(call.result, 0, 0));
    libpq.PQclear(call.result);
    return good;
}

long postgres_retry(struct store *store, char *const *names, struct error *error) {
    struct postgres_store *self = (struct postgres_store *)store;
    struct text array = {0};
    long count = 0, moved;
    if (names != NULL) {
        for (size_t i = 0; names[i] != NULL; i++)
            postgres_array_add(&array, names[i]);
        count = all_failed(self, postgres_array_end(&array), error)
                    ? change(self,
                             "UPDATE documents SET place = 'queue', due = now(), changed = now(), "
                             "version = version + 1 WHERE name = ANY($1::text[]) AND place = "
                             "'failed'",
                             array.text, error)
                    : -1;
        free(array.text);
    } else {
        do { /* some at a time, each soon durable */
            moved = change(self,
                           "UPDATE documents SET place = 'queue', due = now(), changed = now(), "
                           "version = version + 1 WHERE lane = 'failed' AND name IN (SELECT name "
                           "FROM documents WHERE lane = 'failed' ORDER BY due, name LIMIT 1000)",
                           NULL, error);
            count = moved < 0 ? -1 : count + moved;
        } while (moved > 0);
    }
    if (count > 0 && change(self,
                            "SELECT pg_notify(current_schema(), '') WHERE EXISTS (SELECT FROM "
                            "workers WHERE waiting)",
                            NULL, error) < 0)
        return -1;
    return count;
}

#else

typedef int postgres_list_is_empty;

#endif
