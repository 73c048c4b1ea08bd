/* engine-check [-w] [-j N] [-t SECONDS] [-b SECONDS] [--refuse FROM-TO] [--lose N] -- STAGE ['|'
 * STAGE]...
 *
 * The engine over a store in memory: works on the documents of stdin, and prints each with its
 * place and journal. The commits FROM to TO, counted from 1, are refused, and the Nth is lost. At
 * the end prints how many commits there were. */
#include "agent/engine.h"
#include "agent/stages.h"
#include "base/clock.h"
#include "json/json.h"

#include <math.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST = 1000 };

/* A document, as committed. */
struct entry {
    struct held held; /* what the engine has */
    jv document, journal;
    enum store_place place, new_place;
    double due, new_due;
    bool taken, put_back, left;
};

/* The uses of approvals of one commit. */
struct use {
    enum store_spent *answer;
    bool *again;
    char *name;
};

static struct memory {
    struct store store;
    struct entry entries[MOST];
    size_t count, commits, lose, refuse_from, refuse_to;
    struct use uses[MOST];
    size_t use_count;
    jv spent;
} memory;

static size_t take(struct store *store, struct held **taken, size_t most, struct error *error) {
    size_t count = 0;
    (void)store;
    error->status = STATUS_DONE;
    for (size_t i = 0; i < memory.count && count < most; i++) {
        struct entry *entry = &memory.entries[i];
        if (entry->taken || entry->left || entry->place != STORE_QUEUE || entry->due > clock_now())
            continue;
        entry->taken = true;
        entry->held.name = must_format("d%zu", i + 1);
        entry->held.document = jv_copy(entry->document);
        entry->held.journal = jv_copy(entry->journal);
        taken[count++] = &entry->held;
    }
    return count;
}

static double next_due(struct store *store) {
    double due = INFINITY;
    (void)store;
    for (size_t i = 0; i < memory.count; i++)
        if (!memory.entries[i].taken && !memory.entries[i].left &&
            memory.entries[i].place == STORE_QUEUE)
            due = fmin(due, memory.entries[i].due);
    return due;
}

static int no_descriptor(const struct store *store) {
    (void)store;
    return -1;
}

static void put_entry(struct store *store, struct held *held, jv entry) {
    (void)store;
    held->journal = jv_array_append(held->journal, entry);
}

static void save(struct store *store, struct held *held, jv document) {
    (void)store;
    jv_free(held->document);
    held->document = document;
}

static void put_back(struct store *store, struct held *held, jv document, enum store_place place,
                     double due) {
    struct entry *entry = (struct entry *)held;
    save(store, held, document);
    entry->put_back = true;
    entry->new_place = place;
    entry->new_due = due;
}

static void forget(struct entry *entry) {
    free(entry->held.name);
    jv_free(entry->held.document);
    jv_free(entry->held.journal);
    entry->taken = entry->put_back = false;
}

static void leave(struct store *store, struct held *held) {
    (void)store;
    forget((struct entry *)held);
    ((struct entry *)held)->left = true;
}

static void spend(struct store *store, struct held *held, const char *name, const char *key,
                  const char *claim, enum store_spent *answer, bool *again) {
    (void)store, (void)held, (void)key, (void)claim;
    memory.uses[memory.use_count++] = (struct use){answer, again, must_copy(name)};
}

static void spent(struct store *store, struct held *held, const char *name, const char *key,
                  const char *claim, const char *use) {
    (void)store, (void)held, (void)name, (void)key, (void)claim, (void)use;
}

static void answer_uses(bool good) {
    for (size_t i = 0; i < memory.use_count; i++) {
        struct use *use = &memory.uses[i];
        if (good) {
            *use->answer =
                json_names(memory.spent, use->name) ? STORE_SPENT_BEFORE : STORE_SPENT_NOW;
            *use->again = false;
            memory.spent = json_set(memory.spent, use->name, jv_true());
        }
        free(use->name);
    }
    memory.use_count = 0;
}

static void commit_entry(struct entry *entry, bool good) {
    jv *from = good ? &entry->held.document : &entry->document;
    jv *to = good ? &entry->document : &entry->held.document;
    jv_free(*to);
    *to = jv_copy(*from);
    from = good ? &entry->held.journal : &entry->journal;
    to = good ? &entry->journal : &entry->held.journal;
    jv_free(*to);
    *to = jv_copy(*from);
    if (entry->put_back && good) {
        entry->place = entry->new_place;
        entry->due = entry->new_due;
        forget(entry);
    }
    entry->put_back = false;
}

static enum commit commit(struct store *store, struct error *error) {
    size_t number = ++memory.commits;
    bool good = number < memory.refuse_from || number > memory.refuse_to;
    (void)store;
    if (number == memory.lose) {
        fail(error, STATUS_IO, "the store is lost");
        return COMMIT_LOST;
    }
    if (!good)
        fail(error, STATUS_IO, "the store is full");
    answer_uses(good);
    for (size_t i = 0; i < memory.count; i++)
        if (memory.entries[i].taken)
            commit_entry(&memory.entries[i], good);
    return good ? COMMITTED : COMMIT_REFUSED;
}

static bool beat(struct store *store, struct error *error) {
    (void)store, (void)error;
    return true;
}

static const struct store_kind kind = {.name = "memory",
                                       .take = take,
                                       .next_due = next_due,
                                       .descriptor = no_descriptor,
                                       .entry = put_entry,
                                       .save = save,
                                       .put_back = put_back,
                                       .leave = leave,
                                       .spend = spend,
                                       .spent = spent,
                                       .commit = commit,
                                       .beat = beat};

static void read_documents(void) {
    char *line = NULL;
    size_t room = 0;
    ssize_t size;
    while (memory.count < MOST && (size = getline(&line, &room, stdin)) > 0) {
        struct error error;
        struct entry *entry = &memory.entries[memory.count++];
        *entry = (struct entry){.journal = jv_array()};
        if (!json_parse(line, (size_t)size, &entry->document, &error))
            exit(STATUS_INPUT);
    }
    free(line);
}

static void print_documents(void) {
    static const char *const places[] = {
        [STORE_QUEUE] = "queue", [STORE_DONE] = "done", [STORE_FAILED] = "failed"};
    for (size_t i = 0; i < memory.count; i++) {
        struct entry *entry = &memory.entries[i];
        jv line = json_set_string(jv_object(), "place", places[entry->place]);
        line = json_set(line, "document", entry->document);
        line = json_set(line, "journal", entry->journal);
        char *text = json_text(line);
        puts(text);
        free(text);
        jv_free(line);
        if (entry->taken)
            forget(entry);
    }
    fprintf(stderr, "commits: %zu\n", memory.commits);
}

int main(int argc, char **argv) {
    struct program_helper helper;
    struct stages stages = {.programs = NULL};
    struct error error;
    struct engine_settings settings = {
        .helper = &helper, .rules = {.backoff = 60, .give_up = 86400, .limit = "-t"}, .jobs = 1};
    int at = 1;
    for (; at < argc && strcmp(argv[at], "--") != 0; at++) {
        const char *option = argv[at];
        if (strcmp(option, "-w") == 0) {
            settings.waits = true;
            continue;
        }
        const char *value = ++at < argc ? argv[at] : "";
        if (strcmp(option, "-j") == 0)
            settings.jobs = (size_t)atoi(value);
        else if (strcmp(option, "-t") == 0)
            settings.stage_timeout = atof(value);
        else if (strcmp(option, "-b") == 0)
            settings.rules.backoff = atof(value);
        else if (strcmp(option, "--refuse") == 0)
            sscanf(value, "%zu-%zu", &memory.refuse_from, &memory.refuse_to);
        else if (strcmp(option, "--lose") == 0)
            memory.lose = (size_t)atoi(value);
        else
            return STATUS_USAGE;
    }
    if (at >= argc || !stages_parse(&stages, argv + at + 1))
        return STATUS_USAGE;
    signal(SIGPIPE, SIG_IGN);
    memory.store.kind = &kind;
    memory.spent = jv_object();
    if (memory.refuse_from == 0)
        memory.refuse_from = SIZE_MAX;
    settings.rules.stages = stages.count;
    read_documents();
    if (!program_helper_start(&helper, stages.programs, stages.count, &error))
        return error.status;
    int status = engine_run(&memory.store, &settings);
    print_documents();
    jv_free(memory.spent);
    program_helper_end(&helper);
    stages_free(&stages);
    return status;
}
