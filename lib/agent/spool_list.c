#include "agent/spool_list.h"

#include "agent/list_row.h"
#include "agent/list_state.h"
#include "agent/postgres_url.h"
#include "agent/stores.h"
#include "base/clock.h"
#include "base/moment.h"
#include "base/utf8.h"
#include "document/reader.h"
#include "system/columns.h"
#include "json/json.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of paths that are needed there is a limit (confinement.h): a URL may need several. */
enum { OUT_SIZE = 64 * 1024, PATHS_OF_URL = 8, MOST_PATHS = CONFINE_PATHS - 8 };

void list_flush(struct spool_list *list) {
    struct error error;
    if (list->out.size > 0 && !list->failed &&
        !output_write(list->out.text, list->out.size, &error)) {
        report_error(&list->status, "stdout", &error);
        list->failed = true;
    }
    list->out.size = 0;
}

static bool any_only(const struct spool_list *list) {
    bool any = false;
    for (int i = 0; i < LIST_STATES; i++)
        any = any || list->settings.only[i];
    return any;
}

static bool wants_state(const struct spool_list *list, enum list_state state) {
    if (!any_only(list))
        return !list->settings.watch || state != LIST_DONE;
    return list->settings.only[state];
}

bool list_wants(const struct spool_list *list, enum store_place place) {
    return place == STORE_DONE ? wants_state(list, LIST_DONE)
           : place == STORE_FAILED
               ? wants_state(list, LIST_FAILED)
               : wants_state(list, LIST_PENDING) || wants_state(list, LIST_QUEUED);
}

struct visit {
    struct spool_list *list;
    struct listed *spool;
    enum store_place place;
};

/* What could steer a terminal is escaped, which says the same in JSON. */
static void print_json(struct spool_list *list, jv facts) {
    char *text = json_text(facts), escaped[16];
    size_t size = strlen(text), plain = 0, length;
    for (size_t at = 0; at < size; at += length) {
        uint32_t character;
        length = utf8_decode(text + at, size - at, &character);
        if (length == 0)
            length = 1;
        else if (!utf8_plain(character)) { /* all of these have at most 16 bits */
            text_add(&list->out, text + plain, at - plain);
            snprintf(escaped, sizeof escaped, "\\u%04x", (unsigned)character);
            text_add_string(&list->out, escaped);
            plain = at + length;
        }
    }
    text_add_string(&list->out, text + plain);
    text_add_string(&list->out, "\n");
    free(text);
}

/* One more line of the table. */
static void count_lines(struct spool_list *list, size_t from) {
    for (size_t i = from; i < list->out.size; i++)
        list->lines += list->out.text[i] == '\n';
}

static void print_line(struct spool_list *list, const char *line) {
    size_t before = list->out.size;
    list_row_line(&list->out, line, list->width);
    count_lines(list, before);
}

static void print_row(struct spool_list *list, jv facts) {
    size_t before = list->out.size, lines = list->lines;
    if (!list->has_header)
        list_row_header(&list->out, list->width);
    list->has_header = true;
    list_row_document(&list->out, facts, list->now, list->width);
    count_lines(list, before);
    if (list->most == 0 || list->lines <= list->most)
        return;
    list->out.size = before; /* no room on the screen */
    list->lines = lines;
    list->hidden++;
}

static bool visit(void *context, const char *name, double time, jv document,
                  const struct error *problem) {
    struct visit *visit = context;
    struct spool_list *list = visit->list;
    if (problem != NULL) {
        if (!list->settings.watch)
            report_error(&list->status, NULL, problem);
        return true;
    }
    jv facts = list_facts(visit->spool->name, visit->place, name, time, document);
    enum list_state state = list_state(facts);
    if (wants_state(list, state) && list_news(facts) >= list->since) {
        visit->spool->count[state]++;
        if (list->settings.json)
            print_json(list, facts);
        else
            print_row(list, facts);
    }
    jv_free(facts);
    if (list->most == 0 && list->out.size >= OUT_SIZE)
        list_flush(list);
    return !list->failed;
}

static void list_spool(struct spool_list *list, struct listed *spool) {
    static const enum store_place places[] = {STORE_QUEUE, STORE_FAILED, STORE_DONE};
    for (size_t i = 0; i < sizeof places / sizeof *places && !list->failed; i++) {
        struct error error;
        struct visit context = {list, spool, places[i]};
        double since = places[i] == STORE_QUEUE ? 0 : list->since;
        if (!list_wants(list, places[i]) || spool->store == NULL ||
            spool->store->kind->each(spool->store, places[i], since, visit, &context, &error))
            continue;
        if (list->settings.watch)
            print_line(list, error.text);
        else
            report_error(&list->status, NULL, &error);
    }
}

/* "no documents", or "no documents that are pending or queued" where those are chosen; the caller
 * frees. */
static char *none(const struct spool_list *list) {
    int wanted = 0, named = 0;
    struct text line = {.text = NULL};
    for (int i = 0; i < LIST_STATES; i++)
        wanted += wants_state(list, (enum list_state)i);
    text_add_string(&line, "no documents");
    for (int i = 0; i < LIST_STATES && wanted < LIST_STATES; i++)
        if (wants_state(list, (enum list_state)i)) {
            text_add_string(&line, named == 0 ? " that are " : named == wanted - 1 ? " or " : ", ");
            text_add_string(&line, list_states[i]);
            named++;
        }
    if (list->settings.since != NULL)
        text_add_string(&line, "; --since leaves out the older ones");
    return line.text;
}

/* "3 documents: 1 pending, 2 done"; the caller frees. */
static char *totals(const struct spool_list *list, const long count[LIST_STATES]) {
    long all = 0;
    struct text parts = {.text = NULL};
    for (int i = 0; i < LIST_STATES; i++)
        all += count[i];
    for (int i = 0; i < LIST_STATES; i++) {
        char *part = must_format("%s %ld %s", parts.size > 0 ? "," : ":", count[i], list_states[i]);
        if (count[i] > 0)
            text_add_string(&parts, part);
        free(part);
    }
    char *line = all == 0   ? none(list)
                 : all == 1 ? must_format("1 document%s", parts.text)
                            : must_format("%ld documents%s", all, parts.text);
    if (list->hidden > 0) {
        char *longer = must_format("%s; %zu have no room here", line, list->hidden);
        free(line);
        line = longer;
    }
    free(parts.text);
    return line;
}

void list_table(struct spool_list *list) {
    long all[LIST_STATES] = {0};
    list->now = clock_now();
    list->has_header = false;
    list->lines = list->hidden = 0;
    for (size_t i = 0; i < list->count; i++) {
        struct listed *spool = &list->spools[i];
        memset(spool->count, 0, sizeof spool->count);
        list_spool(list, spool);
        for (int j = 0; j < LIST_STATES; j++)
            all[j] += spool->count[j];
        if (list->count == 1 || spool->store == NULL || list->settings.json)
            continue;
        char *words = totals(&(struct spool_list){.settings = list->settings}, spool->count);
        char *line = must_format("= %s: %s", spool->name, words);
        print_line(list, line);
        free(words);
        free(line);
    }
    char *line = totals(list, all);
    if (!list->settings.json)
        print_line(list, line);
    free(line);
}

int spool_list_print(struct spool_list *list) {
    list->width = columns_of_stdout(NULL);
    if (list->settings.watch) {
        list_watch(list);
        return list->status;
    }
    signal(SIGPIPE, SIG_DFL);
    if (list->settings.metrics)
        list_metrics(list);
    else
        list_table(list);
    list_flush(list);
    return list->status;
}

/* Opens one; a folder's path is relative to `here`. */
static bool open_spool(struct spool_list *list, const char *name, int here,
                       struct confinement *needs, struct error *error) {
    struct listed *spool = &list->spools[list->count++];
    if (fchdir(here) != 0)
        return fail(error, STATUS_IO, "the working directory cannot be entered");
    *spool = (struct listed){.name = store_shown(name)};
    spool->store = store_kind_of(name)->open(name, STORE_LISTS, error);
    if (spool->store != NULL)
        spool->store->kind->needs(spool->store, needs);
    return spool->store != NULL;
}

static bool open_all(struct spool_list *list, const char *const *names, struct confinement *needs,
                     struct error *error) {
    int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    size_t count = 0, opened = 0;
    while (names[count] != NULL)
        count++;
    list->spools = must_alloc(count * sizeof *list->spools);
    if (here < 0)
        return fail(error, STATUS_IO, "the working directory cannot be read");
    for (size_t i = 0; i < count; i++) {
        bool good = open_spool(list, names[i], here, needs, error);
        opened += good;
        if (!good && (count > 1 || list->settings.metrics))
            report_error(&list->status, NULL, error);
    }
    close(here);
    return opened > 0 || count > 1 || list->settings.metrics;
}

static bool check(struct spool_list *list, const char *const *names, struct error *error) {
    const struct spool_list_settings *settings = &list->settings;
    size_t paths = 0;
    for (size_t i = 0; names[i] != NULL; i++)
        paths += postgres_url_is(names[i]) ? PATHS_OF_URL : 1;
    if (settings->json + settings->metrics + settings->watch > 1)
        return fail(error, STATUS_USAGE, "only one of --json, --metrics and --watch");
    if (settings->metrics && (any_only(list) || settings->since != NULL))
        return fail(error, STATUS_USAGE, "--metrics is about all documents");
    if (paths > MOST_PATHS)
        return fail(error, STATUS_USAGE, "too many spools for one list: at most %d folders",
                    MOST_PATHS);
    return settings->since == NULL || moment_parse(settings->since, &list->since) ||
           fail(error, STATUS_USAGE,
                "--since %.100s is not a time: 2h, today or \"2026-11-26 10:07\" is",
                settings->since);
}

struct spool_list *spool_list_open(const struct spool_list_settings *settings,
                                   const char *const *names, struct confinement *needs,
                                   struct error *error) {
    struct spool_list *list = must_alloc(sizeof *list);
    *list = (struct spool_list){.settings = *settings};
    tzset(); /* a time zone's file cannot be read later */
    if (check(list, names, error) && (!settings->watch || list_watch_open(needs, error)) &&
        open_all(list, names, needs, error))
        return list;
    spool_list_free(list);
    return NULL;
}

void spool_list_free(struct spool_list *list) {
    if (list == NULL)
        return;
    for (size_t i = 0; i < list->count; i++) {
        if (list->spools[i].store != NULL)
            list->spools[i].store->kind->close(list->spools[i].store);
        free(list->spools[i].name);
    }
    free(list->spools);
    free(list->out.text);
    free(list);
}
