#include "agent/postgres_state.h"

#ifdef POSTGRES

#include "base/backoff.h"
#include "base/clock.h"

#include <math.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { VALUES_LIMIT = 24, NUMBER_SIZE = 24 };

void postgres_array_add(struct text *array, const char *element) {
    text_add_string(array, array->size == 0 ? "{" : ",");
    if (element == NULL) {
        text_add_string(array, "NULL");
        return;
    }
    size_t size = strlen(element), room = array->size + 2 * size + 3;
    if (array->room < room) { /* each byte may need another */
        array->room = 2 * room;
        array->text = must_grow(array->text, array->room);
    }
    char *to = array->text + array->size;
    *to++ = '"';
    for (size_t i = 0; i < size; i++) {
        if (element[i] == '"' || element[i] == '\\')
            *to++ = '\\';
        *to++ = element[i];
    }
    *to++ = '"';
    *to = '\0';
    array->size = (size_t)(to - array->text);
}

const char *postgres_array_end(struct text *array) {
    text_add_string(array, array->size == 0 ? "{}" : "}");
    return array->text;
}

/* Until when a call may be tried again. A lease that was not renewed for its time may be another's:
 * the database knows, but nobody waits longer than that for it. */
static double end_of_patience(const struct postgres_store *store, double patience) {
    double end = clock_elapsed() + patience;
    return store->id == 0 ? end : fmin(end, fmax(store->confirmed + store->timeout, 0));
}

static void wait_before(unsigned tries) {
    static const struct backoff backoff = {.base = 0.05, .cap = 1, .jitter = 0.5};
    clock_sleep(backoff_wait(&backoff, tries));
}

static enum postgres_outcome lose(struct postgres_store *store, enum postgres_outcome outcome) {
    store->lost = true;
    return outcome;
}

/* The lease was renewed after that moment. */
static void confirm(struct postgres_store *store, double began) {
    store->confirmed = fmax(store->confirmed, began);
}

/* What this process has, as arrays: the names, and how each was at the last commit. */
static void list_known(const struct postgres_store *store, struct text *names,
                       struct text *versions, struct text *entries) {
    for (size_t i = 0; i < store->held_count; i++) {
        const struct postgres_held *own = store->held[i]->own;
        char version[NUMBER_SIZE], count[NUMBER_SIZE];
        snprintf(version, sizeof version, "%lld", own->version);
        snprintf(count, sizeof count, "%d", jv_array_length(jv_copy(own->journal)));
        postgres_array_add(names, store->held[i]->name);
        postgres_array_add(versions, version);
        postgres_array_add(entries, count);
    }
    postgres_array_end(names);
    postgres_array_end(versions);
    postgres_array_end(entries);
}

/* On a new connection: is this worker still one, and was the turn that broke off done? */
static enum postgres_outcome resume(struct postgres_store *store, struct postgres_call *call,
                                    bool *done, struct error *error) {
    char id[NUMBER_SIZE], epoch[NUMBER_SIZE], turn[NUMBER_SIZE];
    struct text names = {0}, versions = {0}, entries = {0};
    list_known(store, &names, &versions, &entries);
    const char *values[] = {id, epoch, turn, names.text, versions.text, entries.text};
    PGresult *result;
    double began = clock_elapsed();
    long long pending = store->turn + 1;
    snprintf(id, sizeof id, "%lld", store->id);
    snprintf(epoch, sizeof epoch, "%lld", store->epoch);
    snprintf(turn, sizeof turn, "%lld", pending);
    enum postgres_outcome outcome = postgres_query(
        &store->connection,
        "SELECT * FROM resume($1::bigint, $2::bigint, $3::bigint, $4::text[], $5::bigint[], "
        "$6::bigint[])",
        values, 6, &result, error);
    free(names.text);
    free(versions.text);
    free(entries.text);
    *done = false;
    if (outcome != POSTGRES_DONE)
        return outcome;
    long long written = strtoll(libpq.PQgetvalue(result, 0, 1), NULL, 10);
    store->turn = strtoll(libpq.PQgetvalue(result, 0, 0), NULL, 10);
    *done = call->commits && written == pending;
    if (*done) {
        store->written = written;
        call->answers = must_copy(libpq.PQgetvalue(result, 0, 2));
    } else if (written != store->written) {
        fail(error, STATUS_UNAVAILABLE,
             "%s: the server has lost what it had confirmed, as a promoted standby has that was "
             "behind; this run ends, and its documents are free for others",
             store->connection.name);
        outcome = POSTGRES_FENCED;
    }
    libpq.PQclear(result);
    if (outcome == POSTGRES_DONE)
        confirm(store, began);
    return outcome;
}

/* Connects if need be. What goes wrong here says nothing of what broke off: it stays unknown. */
static enum postgres_outcome connect_again(struct postgres_store *store, struct postgres_call *call,
                                           bool *done, struct error *error) {
    *done = false;
    if (store->connection.server != NULL)
        return POSTGRES_DONE;
    if (!postgres_reconnect(&store->connection, error))
        return POSTGRES_BROKEN;
    store->woken = store->connection.listens;
    enum postgres_outcome outcome =
        store->id == 0 ? POSTGRES_DONE : resume(store, call, done, error);
    return outcome == POSTGRES_DONE || outcome == POSTGRES_FENCED ? outcome : POSTGRES_BROKEN;
}

static enum postgres_outcome try_once(struct postgres_store *store, struct postgres_call *call,
                                      bool plain, struct error *error) {
    char id[NUMBER_SIZE], epoch[NUMBER_SIZE], turn[NUMBER_SIZE];
    const char *values[VALUES_LIMIT] = {id, epoch, turn};
    size_t own = plain ? 0 : call->numbered ? 3 : 2;
    bool done;
    enum postgres_outcome outcome = connect_again(store, call, &done, error);
    if (outcome != POSTGRES_DONE || done)
        return outcome;
    snprintf(id, sizeof id, "%lld", store->id);
    snprintf(epoch, sizeof epoch, "%lld", store->epoch);
    snprintf(turn, sizeof turn, "%lld", store->turn + 1);
    for (size_t i = 0; i < call->count && own + i < VALUES_LIMIT; i++)
        values[own + i] = call->values[i];
    double began = clock_elapsed();
    outcome = (call->numbered ? postgres_prepared : postgres_query)(
        &store->connection, call->statement, values, own + call->count, &call->result, error);
    if (outcome == POSTGRES_DONE && !plain)
        confirm(store, began);
    if (outcome == POSTGRES_DONE && call->numbered)
        store->turn++;
    if (outcome == POSTGRES_DONE && call->commits)
        store->written = store->turn;
    return outcome;
}

static enum postgres_outcome try_until(struct postgres_store *store, struct postgres_call *call,
                                       bool plain, struct error *error) {
    double end = end_of_patience(store, call->patience);
    enum postgres_outcome outcome = POSTGRES_BROKEN;
    call->result = NULL;
    call->answers = NULL;
    for (unsigned tries = 0;; tries++) {
        outcome = try_once(store, call, plain, error);
        if (outcome == POSTGRES_BROKEN) {
            libpq.PQfinish(store->connection.server);
            store->connection.server = NULL;
        }
        if ((outcome != POSTGRES_BROKEN && outcome != POSTGRES_AGAIN) || clock_elapsed() >= end)
            return outcome;
        report_verbose(NULL, "%s; tried again", error->text);
        wait_before(tries);
    }
}

/* A commit came through, but the server stopped waiting for its standby: a later commit that is
 * confirmed is after it. */
static enum postgres_outcome wait_for_standby(struct postgres_store *store, struct error *error) {
    struct postgres_call again = {.statement = "UPDATE workers SET heartbeat = clock_timestamp() "
                                               "WHERE id = $1::bigint AND epoch = $2::bigint",
                                  .patience = store->timeout};
    double end = end_of_patience(store, store->timeout);
    while (store->connection.warned) {
        enum postgres_outcome outcome = try_until(store, &again, false, error);
        libpq.PQclear(again.result);
        if (outcome != POSTGRES_DONE)
            return outcome;
        if (store->connection.warned && clock_elapsed() >= end) {
            fail(error, STATUS_UNAVAILABLE,
                 "%s: the standby does not confirm what is written; see that it runs and is "
                 "connected",
                 store->connection.name);
            return POSTGRES_BROKEN;
        }
    }
    return POSTGRES_DONE;
}

enum postgres_outcome postgres_call(struct postgres_store *store, struct postgres_call *call,
                                    struct error *error) {
    if (store->lost) {
        fail(error, STATUS_UNAVAILABLE,
             "%s: others may have the documents of this run by now, so it writes nothing more",
             store->connection.name);
        return POSTGRES_FENCED;
    }
    enum postgres_outcome outcome = try_until(store, call, false, error);
    if (outcome == POSTGRES_DONE && call->commits && store->connection.warned)
        outcome = wait_for_standby(store, error);
    if (outcome == POSTGRES_FENCED ||
        (outcome == POSTGRES_BROKEN && clock_elapsed() >= store->confirmed + store->timeout))
        return lose(store, outcome);
    return outcome;
}

enum postgres_outcome postgres_call_plain(struct postgres_store *store, struct postgres_call *call,
                                          struct error *error) {
    return try_until(store, call, true, error);
}

bool postgres_begin_worker(struct postgres_store *store, struct error *error) {
    unsigned long long noise = 0;
    char host[256] = "", pid[NUMBER_SIZE], epoch[NUMBER_SIZE], timeout[NUMBER_SIZE];
    const char *values[] = {epoch, host, pid, timeout};
    PGresult *result;
    if (RAND_bytes((unsigned char *)&noise, sizeof noise) != 1)
        return fail(error, STATUS_INTERNAL, "the system gives no random numbers");
    store->epoch = (long long)(noise >> 2);
    gethostname(host, sizeof host - 1);
    snprintf(pid, sizeof pid, "%ld", (long)getpid());
    snprintf(epoch, sizeof epoch, "%lld", store->epoch);
    snprintf(timeout, sizeof timeout, "%.3f", store->timeout);
    double began = clock_elapsed();
    if (postgres_query(&store->connection,
                       "SELECT id, beat(id, $1::bigint) FROM begin_worker($1::bigint, $2, "
                       "$3::integer, make_interval(secs => $4::float8)) AS id",
                       values, 4, &result, error) != POSTGRES_DONE)
        return false;
    store->id = strtoll(libpq.PQgetvalue(result, 0, 0), NULL, 10);
    store->turn = store->written = 0;
    libpq.PQclear(result);
    confirm(store, began);
    return true;
}

void postgres_end_worker(struct postgres_store *store) {
    struct error ignored;
    struct postgres_call call = {.statement = "SELECT leave($1::bigint, $2::bigint)",
                                 .patience = 1};
    if (store->id == 0 || store->connection.server == NULL)
        return;
    postgres_call(store, &call, &ignored);
    libpq.PQclear(call.result);
    store->id = 0;
}

#else

typedef int postgres_call_is_empty;

#endif
