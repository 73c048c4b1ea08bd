/* store-check: does with a store of documents (lib/agent/store.h) what the lines on stdin say, and
 * prints what came of each. A NAME is that of a held document, or - for the newest.
 *
 *     init URL                           prints `made FROM TO`
 *     timeout SECONDS                    of a worker, for PostgreSQL
 *     audit NAME once|always JSON        an array of records
 *     open KIND WHERE lists|adds|runs
 *     watch                              it will be waited
 *     confine                            gives up rights, as agent-spool does
 *     add JSON                           prints `name NAME`
 *     take MOST                          prints `took NAME DOCUMENT JOURNAL` for each, `took none`
 *     due                                prints `due none|now|later`
 *     wait SECONDS                       until the store's descriptor is readable
 *     entry NAME JSON
 *     save NAME JSON
 *     put_back NAME queue|done|failed SECONDS JSON    due in so many seconds
 *     leave NAME
 *     spend NAME RECORD KEY CLAIM        after the commit, `spend RECORD now|before|unknown
 * [again]` spent NAME RECORD KEY CLAIM used|not_used|unknown commit prints `committed`, `refused
 * ERROR` or `lost ERROR` beat each queue|done|failed             prints `has NAME DOCUMENT` or `has
 * NAME ERROR` retry [NAME...]                    prints `retried COUNT` limit BYTES of each file
 * from now on; 0: none crash                              ends without a word to the store close
 *
 * Without `close` at the end of the script the store is closed. */
#include "agent/postgres_schema.h"
#include "agent/postgres_store.h"
#include "agent/store.h"
#include "base/clock.h"
#include "system/confine.h"
#include "system/start.h"
#include "json/json.h"

#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { HELD = 4096, SPENDS = 64 };

static const struct store_kind *const kinds[] = {&folder_store, &postgres_store};
static const char *const places[] = {"queue", "done", "failed"};

static struct store *store;
static int home; /* the working directory */
static struct held *held[HELD];
static bool is_put_back[HELD];
static size_t held_count;
static struct {
    char *record;
    enum store_spent answer;
    bool again;
} spends[SPENDS];
static size_t spend_count;

/* A line: a word, and what belongs to it. */
static void say(const char *what, const char *text) {
    printf("%s%s%s\n", what, *text != '\0' ? " " : "", text);
    fflush(stdout);
}

__attribute__((noreturn)) static void give_up(const char *why) {
    fprintf(stderr, "store-check: %s\n", why);
    exit(STATUS_USAGE);
}

/* The next word of the line; "" at its end. */
static char *word(char **line) {
    char *first = *line + strspn(*line, " ");
    size_t size = strcspn(first, " ");
    *line = first + size + (first[size] != '\0');
    first[size] = '\0';
    return first;
}

static jv json_of(const char *text) {
    struct error error;
    jv value;
    if (!json_parse(text, strlen(text), &value, &error))
        give_up(error.text);
    return value;
}

static size_t find(const char *name) {
    for (size_t i = held_count; i > 0; i--)
        if (strcmp(name, "-") == 0 || strcmp(held[i - 1]->name, name) == 0)
            return i - 1;
    give_up("there is no such held document");
}

static size_t find_word(const char *const *words, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(words[i], name) == 0)
            return i;
    give_up("a word is unknown");
}

static void drop(size_t i) {
    held[i] = held[--held_count];
    is_put_back[i] = is_put_back[held_count];
}

static void open_store(char *line) {
    static const char *const uses[] = {"lists", "adds", "runs"};
    struct error error = {STATUS_DONE, ""};
    const char *kind = word(&line), *where = word(&line);
    enum store_use use = (enum store_use)find_word(uses, 3, word(&line));
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i]->name, kind) == 0)
            store = kinds[i]->open(where, use, &error);
    if (store == NULL) {
        say("error", error.text);
        exit(error.status);
    }
    say("opened", "");
}

static void confine_here(char *line) {
    struct confinement needs = {.off = false};
    struct error error;
    (void)line;
    store->kind->needs(store, &needs);
    if (!confine(&needs, &error))
        give_up(error.text);
    say("confined", "");
}

static void watch(char *line) {
    (void)line;
    say(store->kind->descriptor(store) >= 0 ? "watches" : "polls", "");
}

static void add(char *line) {
    struct error error;
    char *name = store->kind->add(store, json_of(line), &error);
    say(name != NULL ? "name" : "error", name != NULL ? name : error.text);
    free(name);
}

static void take(char *line) {
    struct error error;
    size_t most = (size_t)strtoul(word(&line), NULL, 10), first = held_count;
    if (most > HELD - first)
        most = HELD - first;
    held_count += store->kind->take(store, &held[first], most, &error);
    for (size_t i = first; i < held_count; i++) {
        char *document = json_text(held[i]->document), *journal = json_text(held[i]->journal);
        is_put_back[i] = false;
        printf("took %s %s %s\n", held[i]->name, document, journal);
        free(document);
        free(journal);
    }
    if (error.status != STATUS_DONE)
        printf("error %d %s\n", error.status, error.text);
    if (first == held_count)
        printf("took none\n");
    fflush(stdout);
}

static void due(char *line) {
    (void)line;
    double next = store->kind->next_due(store);
    say("due", isinf(next) ? "none" : next <= clock_now() ? "now" : "later");
}

static void wait_for(char *line) {
    struct pollfd one = {.fd = store->kind->descriptor(store), .events = POLLIN};
    bool is_readable = poll(&one, 1, 1000 * atoi(word(&line))) > 0;
    say(is_readable ? "readable" : "nothing", "");
}

static void entry(char *line) {
    struct held *one = held[find(word(&line))];
    store->kind->entry(store, one, json_of(line));
}

static void save(char *line) {
    struct held *one = held[find(word(&line))];
    store->kind->save(store, one, json_of(line));
}

static void put_back(char *line) {
    size_t i = find(word(&line));
    enum store_place place = (enum store_place)find_word(places, 3, word(&line));
    double seconds = strtod(word(&line), NULL);
    is_put_back[i] = true;
    store->kind->put_back(store, held[i], json_of(line), place,
                          seconds > 0 ? clock_now() + seconds : 0);
}

static void leave(char *line) {
    size_t i = find(word(&line));
    store->kind->leave(store, held[i]);
    drop(i);
}

static void spend(char *line) {
    struct held *one = held[find(word(&line))];
    const char *record = word(&line), *key = word(&line), *claim = word(&line);
    if (spend_count == SPENDS)
        give_up("too many");
    spends[spend_count].record = must_copy(record);
    spends[spend_count].again = false;
    store->kind->spend(store, one, record, key, claim, &spends[spend_count].answer,
                       &spends[spend_count].again);
    spend_count++;
}

static void spent(char *line) {
    struct held *one = held[find(word(&line))];
    const char *record = word(&line), *key = word(&line), *claim = word(&line);
    store->kind->spent(store, one, record, key, claim, word(&line));
}

static void commit(char *line) {
    static const char *const answers[] = {"now", "before", "unknown"};
    struct error error = {STATUS_DONE, ""};
    (void)line;
    enum commit came = store->kind->commit(store, &error);
    for (size_t i = 0; i < spend_count; i++) {
        if (came == COMMITTED)
            printf("spend %s %s%s\n", spends[i].record, answers[spends[i].answer],
                   spends[i].again ? " again" : "");
        free(spends[i].record);
    }
    spend_count = 0;
    for (size_t i = held_count; i > 0; i--) {
        if (is_put_back[i - 1] && came == COMMITTED)
            drop(i - 1);
        else
            is_put_back[i - 1] = false;
    }
    say(came == COMMITTED     ? "committed"
        : came == COMMIT_LOST ? "lost"
                              : "refused",
        came == COMMITTED ? "" : error.text);
}

static void beat(char *line) {
    struct error error;
    (void)line;
    bool good = store->kind->beat(store, &error);
    say(good ? "beat" : "lost", good ? "" : error.text);
}

static bool print_one(void *context, const char *name, double time, jv document,
                      const struct error *problem) {
    char *text = problem == NULL ? json_text(document) : must_copy(problem->text);
    (void)context, (void)time;
    printf("has %s %s\n", name, text);
    free(text);
    return true;
}

static void each(char *line) {
    struct error error;
    enum store_place place = (enum store_place)find_word(places, 3, word(&line));
    bool good = store->kind->each(store, place, 0, print_one, NULL, &error);
    say(good ? "end" : "error", good ? "" : error.text);
}

static void retry(char *line) {
    struct error error;
    char *names[64] = {NULL};
    for (size_t i = 0; i < 63 && *(names[i] = word(&line)) != '\0';)
        names[++i] = NULL;
    bool all = *names[0] == '\0';
    for (size_t i = 0; i < 64; i++)
        if (names[i] != NULL && *names[i] == '\0')
            names[i] = NULL;
    long count = store->kind->retry(store, all ? NULL : names, &error);
    if (count < 0)
        say("error", error.text);
    else
        printf("retried %ld\n", count);
    fflush(stdout);
}

static void limit(char *line) {
    rlim_t bytes = (rlim_t)strtoul(word(&line), NULL, 10);
    struct rlimit now;
    getrlimit(RLIMIT_FSIZE, &now);
    now.rlim_cur = bytes > 0 ? bytes : now.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &now) != 0)
        give_up("no limit");
}

static void crash(char *line) {
    (void)line;
    _exit(0);
}

static void audit(char *line) {
    struct held *one = held[find(word(&line))];
    bool once = strcmp(word(&line), "once") == 0;
    store->kind->audit(store, one, json_of(line), once);
}

static void init(char *line) {
    struct error error = {STATUS_DONE, ""};
    const char *key = NULL;
    int from = 0, to = 0;
    if (postgres_spool_key(&key, &error) && postgres_init(word(&line), key, &from, &to, &error)) {
        printf("made %d %d\n", from, to);
        fflush(stdout);
        return;
    }
    say("error", error.text);
    exit(error.status);
}

static void set_timeout(char *line) {
    postgres_settings.worker_timeout = strtod(word(&line), NULL);
}

static void close_store(char *line) {
    (void)line;
    if (store != NULL)
        store->kind->close(store);
    store = NULL;
    held_count = 0;
    if (fchdir(home) != 0)
        give_up("the working directory is gone");
    say("closed", "");
}

static const struct {
    const char *name;
    void (*act)(char *line);
} actions[] = {{"open", open_store},    {"confine", confine_here},
               {"watch", watch},        {"add", add},
               {"take", take},          {"due", due},
               {"wait", wait_for},      {"entry", entry},
               {"save", save},          {"leave", leave},
               {"put_back", put_back},  {"spend", spend},
               {"spent", spent},        {"commit", commit},
               {"beat", beat},          {"each", each},
               {"retry", retry},        {"limit", limit},
               {"crash", crash},        {"close", close_store},
               {"audit", audit},        {"init", init},
               {"timeout", set_timeout}};

static void act(char *line) {
    const char *name = word(&line);
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
        if (strcmp(actions[i].name, name) == 0) {
            if (store == NULL && actions[i].act != open_store && actions[i].act != init &&
                actions[i].act != set_timeout)
                give_up("nothing is open");
            actions[i].act(line);
            return;
        }
    if (*name != '\0')
        give_up("a command is unknown");
}

int main(void) {
    char *line = NULL;
    size_t room = 0;
    ssize_t size;
    program_start("store-check");
    clock_boot();
    home = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    while ((size = getline(&line, &room, stdin)) > 0) {
        if (line[size - 1] == '\n')
            line[size - 1] = '\0';
        act(line);
    }
    free(line);
    if (store != NULL)
        store->kind->close(store);
    return 0;
}
