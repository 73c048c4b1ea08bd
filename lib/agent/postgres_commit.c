#include "agent/postgres_state.h"

#ifdef POSTGRES

#include "agent/postgres_tokens.h"
#include "base/clock.h"
#include "base/program_name.h"
#include "document/call.h"
#include "json/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CENTURY (100 * 365.25 * 86400)

/* Of one commit; the server takes at most 1 GiB. */
enum { COMMIT_LIMIT = 900 << 20 };

const char *const postgres_places[] = {
    [STORE_QUEUE] = "queue", [STORE_DONE] = "done", [STORE_FAILED] = "failed"};

static struct postgres_store *of(struct store *store) {
    return (struct postgres_store *)store;
}

static struct postgres_held *own(struct held *held) {
    return held->own;
}

void postgres_entry(struct store *store, struct held *held, jv entry) {
    struct postgres_store *self = of(store);
    held->journal = jv_array_append(held->journal, jv_copy(entry));
    self->entries = must_grow(self->entries, (self->entry_count + 1) * sizeof *self->entries);
    self->entries[self->entry_count++] = (struct postgres_entry){
        held, held->text != NULL ? must_copy(held->text) : json_text(entry)};
    jv_free(entry);
}

/* Makes the text of the document from that of the engine, which is without `spool`. */
static char *saved_text(const struct held *held, jv document) {
    size_t size = held->text != NULL ? strlen(held->text) : 0;
    if (size < 3 || held->text[1] != '"' || held->text[size - 1] != '}')
        return json_text(document);
    jv spool = json_get(document, "spool");
    char *end = jv_is_valid(spool) ? json_text(spool) : NULL;
    struct text text = {0};
    text_add(&text, held->text, size - 1);
    text_add_string(&text, end != NULL ? ",\"spool\":" : "");
    text_add_string(&text, end != NULL ? end : "");
    text_add_string(&text, "}");
    jv_free(spool);
    free(end);
    return text.text;
}

void postgres_save(struct store *store, struct held *held, jv document) {
    (void)store;
    jv_free(held->document);
    held->document = document;
    free(own(held)->text);
    own(held)->text = saved_text(held, document);
    own(held)->saved = true;
}

/* Whether there is nothing to do for its calls but to ask for the decision. */
static bool only_waits_for_poll(jv document) {
    bool pending = false, other = false;
    jv calls = json_array(document, "calls");
    jv_array_foreach(calls, i, call) {
        enum call_state state = call_state(call);
        pending = pending || state == CALL_PENDING;
        other = other || state == CALL_NEW || state == CALL_APPROVED;
        jv_free(call);
    }
    jv_free(calls);
    return pending && !other;
}

void postgres_put_back(struct store *store, struct held *held, jv document, enum store_place place,
                       double due) {
    postgres_save(store, held, document);
    own(held)->back = true;
    own(held)->place = place;
    own(held)->due = due;
    own(held)->polled = place == STORE_QUEUE && due > 0 && only_waits_for_poll(document);
}

static void add_spend(struct postgres_store *self, const struct postgres_spend *spend) {
    self->spends = must_grow(self->spends, (self->spend_count + 1) * sizeof *self->spends);
    self->spends[self->spend_count++] = *spend;
}

void postgres_spend(struct store *store, struct held *held, const char *name, const char *key,
                    const char *claim, enum store_spent *answer, bool *again) {
    (void)held;
    add_spend(of(store), &(struct postgres_spend){must_copy(name), must_copy(key), must_copy(claim),
                                                  "begin", answer, again});
}

void postgres_spent(struct store *store, struct held *held, const char *name, const char *key,
                    const char *claim, const char *use) {
    static const char *const uses[] = {"used", "not_used"};
    const char *known = "unknown";
    (void)held;
    for (size_t i = 0; i < sizeof uses / sizeof *uses; i++)
        known = strcmp(use, uses[i]) == 0 ? uses[i] : known;
    add_spend(of(store), &(struct postgres_spend){must_copy(name), must_copy(key), must_copy(claim),
                                                  known, NULL, NULL});
}

void postgres_audit(struct store *store, struct held *held, jv records, bool once) {
    static const char *const by_server[] = {"time", "n", "previous", "digest"};
    struct postgres_store *self = of(store);
    (void)held;
    jv_array_foreach(records, i, record) {
        record = json_set(record, "format", jv_number(1));
        if (!json_has(record, "command"))
            record = json_set_string(record, "command", program_name());
        for (size_t j = 0; j < sizeof by_server / sizeof *by_server; j++)
            record = json_delete(record, by_server[j]);
        self->records = must_grow(self->records, (self->record_count + 1) * sizeof *self->records);
        self->records[self->record_count++] = (struct postgres_record){record, once};
    }
    jv_free(records);
}

void postgres_forget(struct postgres_store *store) {
    for (size_t i = 0; i < store->entry_count; i++)
        free(store->entries[i].text);
    for (size_t i = 0; i < store->spend_count; i++) {
        free(store->spends[i].name);
        free(store->spends[i].key);
        free(store->spends[i].claim);
    }
    for (size_t i = 0; i < store->record_count; i++)
        jv_free(store->records[i].record);
    store->entry_count = store->spend_count = store->record_count = 0;
    free(store->new_names.text);
    free(store->new_documents.text);
    store->new_names = store->new_documents = (struct text){0};
}

/* The parameters of write_down, in its order. */
enum parameter {
    ENTRY_NAMES,
    ENTRIES,
    SAVED_NAMES,
    SAVED,
    BACK_NAMES,
    BACK,
    PLACES,
    DUES,
    SPENT_NAMES,
    KEYS,
    CLAIMS,
    USES,
    EXPIRIES,
    RECORDS,
    IDS,
    ONCES,
    PARAMETERS
};

static void add_number(struct text *array, double number) {
    char text[40];
    snprintf(text, sizeof text, "%.17g", number);
    postgres_array_add(array, text);
}

/* Adds the text, with its tokens encrypted for this document. */
static bool add_text(struct postgres_store *store, struct text *array, const char *name,
                     const char *text, struct error *error) {
    char *hidden = postgres_tokens_hide_text(store->key, name, text, error);
    if (hidden != NULL)
        postgres_array_add(array, hidden);
    free(hidden);
    return hidden != NULL;
}

static bool add_documents(struct postgres_store *store, struct text *arrays, struct error *error) {
    bool good = true;
    for (size_t i = 0; good && i < store->held_count; i++) {
        struct held *held = store->held[i];
        const struct postgres_held *state = own(held);
        if (state->back) {
            double seconds = state->due > 0 ? fmin(state->due - clock_now(), CENTURY) : 0;
            postgres_array_add(&arrays[BACK_NAMES], held->name);
            good = add_text(store, &arrays[BACK], held->name, state->text, error);
            postgres_array_add(&arrays[PLACES],
                               state->polled ? "polls" : postgres_places[state->place]);
            add_number(&arrays[DUES], state->place == STORE_QUEUE ? fmax(seconds, 0) : 0);
        } else if (state->saved) {
            postgres_array_add(&arrays[SAVED_NAMES], held->name);
            good = add_text(store, &arrays[SAVED], held->name, state->text, error);
        }
    }
    for (size_t i = 0; good && i < store->entry_count; i++) {
        const struct postgres_entry *entry = &store->entries[i];
        char *name = must_format("%s journal", entry->held->name);
        postgres_array_add(&arrays[ENTRY_NAMES], entry->held->name);
        good = add_text(store, &arrays[ENTRIES], name, entry->text, error);
        free(name);
    }
    return good;
}

/* The time at the beginning of a spent approval's name, when its token expires. */
static void add_expiry(struct text *array, const char *name) {
    size_t size = strspn(name, "0123456789");
    if (size > 0 && size < 12 && name[size] == '-')
        add_number(array, strtod(name, NULL));
    else
        postgres_array_add(array, NULL);
}

static void add_others(const struct postgres_store *store, struct text *arrays) {
    for (size_t i = 0; i < store->spend_count; i++) {
        const struct postgres_spend *spend = &store->spends[i];
        postgres_array_add(&arrays[SPENT_NAMES], spend->name);
        postgres_array_add(&arrays[KEYS], spend->key);
        postgres_array_add(&arrays[CLAIMS], spend->claim);
        postgres_array_add(&arrays[USES], spend->use);
        add_expiry(&arrays[EXPIRIES], spend->name);
    }
    for (size_t i = 0; i < store->record_count; i++) {
        char *line = json_visible(store->records[i].record);
        postgres_array_add(&arrays[RECORDS], line);
        postgres_array_add(&arrays[IDS], json_string(store->records[i].record, "id"));
        postgres_array_add(&arrays[ONCES], store->records[i].once ? "t" : "f");
        free(line);
    }
}

/* Sets the answers to `begin`, in their order, from an array's text: {now,again,…}. */
static void answer(struct postgres_store *store, const char *answers) {
    const char *at = answers + (*answers == '{');
    for (size_t i = 0; i < store->spend_count; i++) {
        struct postgres_spend *spend = &store->spends[i];
        if (spend->answer == NULL)
            continue;
        bool again = strncmp(at, "again", 5) == 0;
        *spend->again = again;
        *spend->answer = again || strncmp(at, "now", 3) == 0 ? STORE_SPENT_NOW
                         : strncmp(at, "before", 6) == 0     ? STORE_SPENT_BEFORE
                                                             : STORE_SPENT_UNKNOWN;
        at += strcspn(at, ",}");
        at += *at == ',';
    }
}

/* What was put in is durable. What is known of when the next one is due stays true, or is early. */
static void settle(struct postgres_store *store) {
    for (size_t i = store->held_count; i-- > 0;) {
        struct held *held = store->held[i];
        struct postgres_held *state = own(held);
        if (state->back) {
            if (state->place == STORE_QUEUE)
                store->next_due = fmin(store->next_due, state->due);
            postgres_free_held(store, held);
            continue;
        }
        jv_free(state->document);
        jv_free(state->journal);
        state->document = jv_copy(held->document);
        state->journal = jv_copy(held->journal);
        state->version += state->saved;
        state->saved = false;
        free(state->text);
        state->text = NULL;
    }
    postgres_forget(store);
}

/* Nothing of it is. */
static void undo(struct postgres_store *store) {
    for (size_t i = 0; i < store->held_count; i++) {
        struct held *held = store->held[i];
        struct postgres_held *state = own(held);
        jv_free(held->document);
        jv_free(held->journal);
        held->document = jv_copy(state->document);
        held->journal = jv_copy(state->journal);
        state->saved = state->back = false;
        free(state->text);
        state->text = NULL;
    }
    postgres_forget(store);
}

static enum commit write_new(struct postgres_store *store, struct error *error) {
    if (store->new_names.size == 0)
        return COMMITTED;
    const char *values[] = {postgres_array_end(&store->new_names),
                            postgres_array_end(&store->new_documents)};
    struct postgres_call call = {.statement = "SELECT add_documents($1::text[], $2::text[])",
                                 .values = values,
                                 .count = 2,
                                 .patience = store->timeout};
    enum postgres_outcome outcome = postgres_call_plain(store, &call, error);
    libpq.PQclear(call.result);
    free(store->new_names.text);
    free(store->new_documents.text);
    store->new_names = store->new_documents = (struct text){0};
    return outcome == POSTGRES_DONE     ? COMMITTED
           : outcome == POSTGRES_BROKEN ? COMMIT_LOST
                                        : COMMIT_REFUSED;
}

static bool has_something(const struct postgres_store *store) {
    bool some = store->entry_count > 0 || store->spend_count > 0 || store->record_count > 0;
    for (size_t i = 0; !some && i < store->held_count; i++)
        some = own(store->held[i])->saved || own(store->held[i])->back;
    return some;
}

static enum commit write_arrays(struct postgres_store *store, struct text *arrays,
                                struct error *error) {
    const char *values[PARAMETERS];
    size_t size = 0;
    for (size_t i = 0; i < PARAMETERS; i++) {
        values[i] = postgres_array_end(&arrays[i]);
        size += arrays[i].size;
    }
    if (size > COMMIT_LIMIT) {
        fail(
            error, STATUS_IO,
            "%s: what is to be written at once is larger than %d MiB; work on fewer documents at a "
            "time (-j)",
            store->connection.name, COMMIT_LIMIT >> 20);
        return COMMIT_REFUSED;
    }
    struct postgres_call call = {
        .statement = "SELECT write_down($1::bigint, $2::bigint, $3::bigint, $4::text[], $5::text[],"
                     " $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::float8[],"
                     " $12::text[], $13::text[], $14::text[], $15::text[], $16::float8[],"
                     " $17::text[], $18::text[], $19::boolean[])",
        .values = values,
        .count = PARAMETERS,
        .numbered = true,
        .commits = true,
        .patience = store->timeout};
    enum postgres_outcome outcome = postgres_call(store, &call, error);
    if (outcome == POSTGRES_DONE)
        answer(store, call.result != NULL ? libpq.PQgetvalue(call.result, 0, 0) : call.answers);
    libpq.PQclear(call.result);
    free(call.answers);
    if (outcome == POSTGRES_FENCED || outcome == POSTGRES_BROKEN)
        store->lost = true;
    return outcome == POSTGRES_DONE ? COMMITTED : store->lost ? COMMIT_LOST : COMMIT_REFUSED;
}

enum commit postgres_commit(struct store *store, struct error *error) {
    struct postgres_store *self = of(store);
    struct text arrays[PARAMETERS] = {{0}};
    enum commit came = write_new(self, error);
    if (came == COMMITTED && has_something(self)) {
        bool good = add_documents(self, arrays, error);
        add_others(self, arrays);
        came = good ? write_arrays(self, arrays, error) : COMMIT_REFUSED;
        for (size_t i = 0; i < PARAMETERS; i++)
            free(arrays[i].text);
    }
    if (came == COMMITTED)
        settle(self);
    else if (came == COMMIT_REFUSED)
        undo(self);
    return came;
}

#else

typedef int postgres_commit_is_empty;

#endif
