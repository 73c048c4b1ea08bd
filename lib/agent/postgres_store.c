#include "agent/postgres_store.h"

#include "agent/postgres_schema.h"
#include "agent/postgres_state.h"
#include "agent/postgres_tokens.h"
#include "approval/seal.h"
#include "base/clock.h"
#include "jose/digest.h"
#include "system/confine.h"
#include "system/settings.h"
#include "json/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct postgres_settings postgres_settings = {.worker_timeout = POSTGRES_TIMEOUT};

bool postgres_spool_key(const char **key, struct error *error) {
    return settings_secret(key, error, postgres_settings.key_file, "CIBA_SPOOL_KEY", NULL) &&
           seal_key_is_long(*key, "spool", error);
}

#ifdef POSTGRES

static struct postgres_store *of(struct store *store) {
    return (struct postgres_store *)store;
}

static bool check_settings(struct postgres_store *store, struct error *error) {
    store->timeout = postgres_settings.worker_timeout;
    if (store->timeout < POSTGRES_LEAST_TIMEOUT)
        return fail(error, STATUS_USAGE, "--worker-timeout must be at least %d seconds",
                    POSTGRES_LEAST_TIMEOUT);
    if (!postgres_spool_key(&store->key, error))
        return false;
    return store->key != NULL || store->use != STORE_RUNS ||
           fail(error, STATUS_CONFIG,
                "run needs the key that tokens are encrypted with: CIBA_SPOOL_KEY, or "
                "--spool-key-file");
}

/* What a store for running needs besides a connection. */
static bool prepare_to_run(struct postgres_store *store, struct error *error) {
    PGresult *result = NULL;
    char *listen = must_format("LISTEN %s", store->connection.url.schema);
    bool good =
        postgres_query(&store->connection, listen, NULL, 0, &result, error) == POSTGRES_DONE;
    store->connection.listens = true;
    libpq.PQclear(result);
    free(listen);
    if (good)
        postgres_warn_of_settings(&store->connection);
    return good && postgres_begin_worker(store, error);
}

static struct store *open_store(const char *where, enum store_use use, struct error *error) {
    struct postgres_store *store = must_alloc(sizeof *store);
    *store = (struct postgres_store){.store = {&postgres_store}, .use = use, .woken = true};
    if (!check_settings(store, error) ||
        !postgres_connect(&store->connection, where, use != STORE_LISTS, error)) {
        free(store);
        return NULL;
    }
    if (postgres_schema_fits(&store->connection, error) &&
        (store->key == NULL || use == STORE_LISTS ||
         postgres_key_fits(&store->connection, store->key, error)) &&
        (use != STORE_RUNS || prepare_to_run(store, error)))
        return &store->store;
    postgres_disconnect(&store->connection);
    free(store);
    return NULL;
}

static void free_held(struct held *held) {
    struct postgres_held *own = held->own;
    jv_free(own->document);
    jv_free(own->journal);
    free(own->text);
    free(own);
    jv_free(held->document);
    jv_free(held->journal);
    free(held->name);
    free(held);
}

void postgres_free_held(struct postgres_store *store, struct held *held) {
    size_t i = 0;
    while (store->held[i] != held)
        i++;
    store->held[i] = store->held[--store->held_count];
    free_held(held);
}

static void close_store(struct store *store) {
    struct postgres_store *self = of(store);
    if (!self->lost)
        postgres_end_worker(self);
    postgres_disconnect(&self->connection);
    postgres_forget(self);
    for (size_t i = 0; i < self->held_count; i++)
        free_held(self->held[i]);
    for (size_t i = 0; i < self->left_count; i++)
        free(self->left[i].name);
    free(self->held);
    free(self->left);
    free(self->entries);
    free(self->spends);
    free(self->records);
    free(self);
}

static void needs(const struct store *store, struct confinement *needs) {
    static const char *const files[] = {"sslcert", "sslkey", "sslrootcert", "sslcrl", "sslcrldir"};
    const struct postgres_store *self = (const struct postgres_store *)store;
    const struct postgres_url *url = &self->connection.url;
    const char *host = libpq.PQhost(self->connection.server);
    needs->network = true;
    if (host != NULL && *host == '/')
        needs->sockets = needs->sockets == NULL || strcmp(needs->sockets, host) == 0 ? host : "/";
    confine_add(needs->reads, url->password_file);
    confine_add(needs->reads, url->folder);
    confine_add(needs->reads, url->roots);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        confine_add(needs->reads, postgres_url_get(url, files[i]));
}

/* A name that sorts by time. */
static char *new_name(void) {
    char text[40], *noise = random_name(9);
    struct tm now = clock_utc();
    strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &now);
    char *name = must_format("%s.%s", text, noise);
    free(noise);
    return name;
}

static char *add(struct store *store, jv document, struct error *error) {
    struct postgres_store *self = of(store);
    char *name = new_name(), *text = NULL;
    jv spool = json_set(jv_object(), "added_at", jv_number(floor(clock_now())));
    document = postgres_tokens_hide(self->key, name, json_set(document, "spool", spool), error);
    if (jv_is_valid(document)) {
        text = json_text(document);
        postgres_array_add(&self->new_names, name);
        postgres_array_add(&self->new_documents, text);
    } else {
        free(name);
        name = NULL;
    }
    free(text);
    jv_free(document);
    return name;
}

/* A document from its text; invalid and an error (65) if it is none. */
static jv read_document(const struct postgres_store *store, const char *name, const char *text,
                        struct error *error) {
    jv value;
    if (!json_parse(text, strlen(text), &value, error))
        return jv_invalid();
    if (jv_get_kind(value) == JV_KIND_OBJECT)
        return postgres_tokens_show(store->key, name, value, error);
    jv_free(value);
    fail(error, STATUS_INPUT, "is not a JSON object");
    return jv_invalid();
}

/* The journal from its entries, separated by commas. */
static jv read_journal(const struct postgres_store *store, const char *name, const char *text,
                       struct error *error) {
    char *whole = must_format("[%s]", text), *place = must_format("%s journal", name);
    jv journal = jv_array(), entries;
    if (!json_parse(whole, strlen(whole), &entries, error)) {
        jv_free(journal);
        journal = jv_invalid();
        entries = jv_array();
    }
    jv_array_foreach(entries, i, entry) {
        entry = postgres_tokens_show(store->key, place, entry, error);
        if (jv_is_valid(journal) && jv_is_valid(entry)) {
            journal = jv_array_append(journal, entry);
        } else {
            jv_free(journal);
            jv_free(entry);
            journal = jv_invalid();
        }
    }
    jv_free(entries);
    free(whole);
    free(place);
    return journal;
}

/* A document that cannot be read fails, as it is. */
static void fail_unread(struct postgres_store *store, const char *name, const struct error *why) {
    struct error error;
    struct postgres_call call = {
        .statement = "UPDATE documents SET place = 'failed', holder = NULL, due = now(), "
                     "changed = now() WHERE name = $3 AND holder = $1::bigint AND $2 <> ''",
        .values = &name,
        .count = 1,
        .patience = store->timeout};
    report(name, "failed: %s", why->text);
    if (postgres_call(store, &call, &error) != POSTGRES_DONE)
        report(NULL, "%s", error.text);
    libpq.PQclear(call.result);
}

/* The document of a row, or NULL if it cannot be read. */
static struct held *hold(struct postgres_store *store, const PGresult *result, int row) {
    struct error why;
    const char *name = libpq.PQgetvalue(result, row, 0);
    jv document = read_document(store, name, libpq.PQgetvalue(result, row, 2), &why);
    jv journal = jv_is_valid(document)
                     ? read_journal(store, name, libpq.PQgetvalue(result, row, 3), &why)
                     : jv_invalid();
    if (!jv_is_valid(journal)) {
        fail_unread(store, name, &why);
        jv_free(document);
        jv_free(journal);
        return NULL;
    }
    struct postgres_held *own = must_alloc(sizeof *own);
    struct held *held = must_alloc(sizeof *held);
    *own = (struct postgres_held){.document = jv_copy(document),
                                  .journal = jv_copy(journal),
                                  .version = strtoll(libpq.PQgetvalue(result, row, 1), NULL, 10)};
    *held = (struct held){must_copy(name), document, journal, own, NULL};
    store->held = must_grow(store->held, (store->held_count + 1) * sizeof *store->held);
    return store->held[store->held_count++] = held;
}

/* Makes arrays of what was left: it is not to be taken as it is. */
static void list_left(const struct postgres_store *store, struct text *names,
                      struct text *versions) {
    for (size_t i = 0; i < store->left_count; i++) {
        char *version = must_format("%lld", store->left[i].version);
        postgres_array_add(names, store->left[i].name);
        postgres_array_add(versions, version);
        free(version);
    }
    postgres_array_end(names);
    postgres_array_end(versions);
}

static size_t take(struct store *store, struct held **taken, size_t most, struct error *error) {
    struct postgres_store *self = of(store);
    struct text names = {0}, versions = {0};
    char *limit = must_format("%zu", most < 10000 ? most : 10000);
    *error = (struct error){STATUS_DONE, ""};
    postgres_notified(&self->connection);
    self->woken = self->next_known = false;
    list_left(self, &names, &versions);
    const char *values[] = {limit, names.text, versions.text};
    struct postgres_call call = {
        .statement = "SELECT * FROM take($1::bigint, $2::bigint, $3::bigint, $4::integer, "
                     "$5::text[], $6::bigint[])",
        .values = values,
        .count = 3,
        .numbered = true,
        .patience = self->timeout};
    size_t count = 0;
    struct error why;
    if (postgres_call(self, &call, &why) != POSTGRES_DONE)
        *error = why;
    for (int i = 0; call.result != NULL && i < libpq.PQntuples(call.result); i++)
        if ((taken[count] = hold(self, call.result, i)) != NULL)
            count++;
    libpq.PQclear(call.result);
    free(names.text);
    free(versions.text);
    free(limit);
    return count;
}

static bool ask_next_due(struct postgres_store *store) {
    struct text names = {0}, versions = {0};
    struct error ignored;
    list_left(store, &names, &versions);
    const char *values[] = {names.text, versions.text};
    struct postgres_call call = {
        .statement = "SELECT extract(epoch FROM next_due($1::bigint, $3::text[], $4::bigint[]) - "
                     "clock_timestamp()) WHERE $2 <> ''",
        .values = values,
        .count = 2};
    bool good = postgres_call(store, &call, &ignored) == POSTGRES_DONE && call.result != NULL;
    store->next_known = good;
    store->next_due = INFINITY;
    if (good && !libpq.PQgetisnull(call.result, 0, 0))
        store->next_due = clock_now() + strtod(libpq.PQgetvalue(call.result, 0, 0), NULL);
    libpq.PQclear(call.result);
    free(names.text);
    free(versions.text);
    return good;
}

static double next_due(struct store *store) {
    struct postgres_store *self = of(store);
    if (postgres_notified(&self->connection))
        self->woken = true;
    if (self->woken)
        return clock_now();
    if (!self->next_known && !ask_next_due(self))
        return clock_now() + 1; /* beat and take tell why */
    return self->next_due;
}

static int descriptor(const struct store *store) {
    const struct postgres_store *self = (const struct postgres_store *)store;
    return self->connection.server != NULL ? libpq.PQsocket(self->connection.server) : -1;
}

static void leave(struct store *store, struct held *held) {
    struct postgres_store *self = of(store);
    struct error ignored; /* a new connection frees what is not in the list of held ones */
    const struct postgres_held *own = held->own;
    const char *name = must_copy(held->name);
    self->left = must_grow(self->left, (self->left_count + 1) * sizeof *self->left);
    self->left[self->left_count++] = (struct postgres_left){must_copy(name), own->version};
    postgres_free_held(self, held);
    struct postgres_call call = {.statement = "UPDATE documents SET holder = NULL WHERE name = $3 "
                                              "AND holder = $1::bigint AND $2 <> ''",
                                 .values = &name,
                                 .count = 1};
    postgres_call(self, &call, &ignored);
    libpq.PQclear(call.result);
    free((char *)name);
    self->next_known = false;
}

static bool beat(struct store *store, struct error *error) {
    struct postgres_store *self = of(store);
    struct postgres_call call = {.statement = "SELECT beat($1::bigint, $2::bigint)"};
    if (self->id == 0)
        return true;
    enum postgres_outcome outcome = postgres_call(self, &call, error);
    libpq.PQclear(call.result);
    self->next_known = false;
    if (outcome != POSTGRES_DONE && !self->lost)
        report_verbose(NULL, "%s", error->text);
    return !self->lost;
}

const struct store_kind postgres_store = {
    .name = "postgresql",
    .open = open_store,
    .close = close_store,
    .needs = needs,
    .add = add,
    .take = take,
    .next_due = next_due,
    .descriptor = descriptor,
    .entry = postgres_entry,
    .save = postgres_save,
    .put_back = postgres_put_back,
    .leave = leave,
    .spend = postgres_spend,
    .spent = postgres_spent,
    .has_audit = true,
    .shares_commits = true,
    .audit = postgres_audit,
    .commit = postgres_commit,
    .beat = beat,
    .each = postgres_each,
    .count = postgres_count,
    .retry = postgres_retry,
};

#else

static struct store *open_store(const char *where, enum store_use use, struct error *error) {
    (void)where, (void)use;
    postgres_library_load(error);
    return NULL;
}

const struct store_kind postgres_store = {.name = "postgresql", .open = open_store};

#endif
