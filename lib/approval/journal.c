#include "approval/journal.h"

#include "base/clock.h"
#include "jose/digest.h"
#include "system/append_file.h"
#include "system/durable_file.h"
#include "system/settings.h"
#include "json/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FORMAT = 1 };

struct journal {
    int fd; /* -1 in a stage */
    char *path;
    jv entries; /* an object: maps each key to an array of entries, in the order of the file */
    bool reserved;
    struct stage_document *document; /* in a stage, else NULL */
};

static bool is_step(const char *step) {
    static const char *const steps[] = {"ask",       "asked",   "decided",
                                        "refreshed", "execute", "executed"};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        if (strcmp(step, steps[i]) == 0)
            return true;
    return false;
}

/* Takes the entry. */
static void keep_as(struct journal *journal, const char *key, jv entry) {
    jv of_key = json_take_array(&journal->entries, key);
    journal->entries = json_set(journal->entries, key, jv_array_append(of_key, entry));
}

/* Keeps the entry under its key, or under each of its `keys`. Takes the entry. */
static void keep(struct journal *journal, const char *key, jv entry) {
    jv keys = json_get(entry, "keys");
    if (jv_get_kind(keys) == JV_KIND_ARRAY) {
        jv_array_foreach(keys, i, one) {
            if (json_value_string(one) != NULL)
                keep_as(journal, json_value_string(one), jv_copy(entry));
            jv_free(one);
        }
        jv_free(entry);
    } else {
        keep_as(journal, key, entry);
    }
    jv_free(keys);
}

bool journal_knows(jv entry, const char *path, bool *says, struct error *error) {
    const char *step = json_string(entry, "step"), *key = json_string(entry, "key");
    if (step == NULL || key == NULL)
        return fail(error, STATUS_INPUT,
                    "%s: is no journal of a document: a line has no step or no key", path);
    *says = strcmp(step, "generation") != 0; /* which earlier versions wrote in spools */
    return ((!*says || is_step(step)) && json_is_format(entry, FORMAT)) ||
           fail(error, STATUS_INPUT,
                "%s: was written by a later version of this command; use that version", path);
}

/* Keeps an entry as it was read. Takes the entry. */
static bool keep_read(struct journal *journal, jv entry, struct error *error) {
    bool says = false, known = journal_knows(entry, journal->path, &says, error);
    if (known && says)
        keep(journal, json_string(entry, "key"), jv_copy(entry));
    jv_free(entry);
    return known;
}

static bool keep_line(struct journal *journal, const char *line, size_t size, struct error *error) {
    jv entry;
    struct error ignored;
    json_parse(line, size, &entry, &ignored);
    return keep_read(journal, entry, error);
}

static bool read_entries(struct journal *journal, struct error *error) {
    unsigned long size;
    char *text = file_read_descriptor(journal->fd, journal->path, JSON_SIZE_LIMIT, &size, error);
    if (text == NULL)
        return false;
    bool good = true;
    const char *line = text, *end;
    while (good && (end = memchr(line, '\n', size - (size_t)(line - text))) != NULL) {
        good = keep_line(journal, line, (size_t)(end - line), error);
        line = end + 1;
    }
    free(text);
    return good;
}

struct journal *journal_open(const char *path, struct error *error) {
    int fd = append_file_open(path, true, error);
    if (fd < 0)
        return NULL;
    struct journal *journal = must_alloc(sizeof *journal);
    *journal = (struct journal){.fd = fd, .path = must_copy(path), .entries = jv_object()};
    if (read_entries(journal, error))
        return journal;
    journal_close(journal);
    return NULL;
}

struct journal *journal_of_stage(struct stage_document *document, struct error *error) {
    struct journal *journal = must_alloc(sizeof *journal);
    *journal = (struct journal){.fd = -1,
                                .path = must_copy("the journal in the spool"),
                                .entries = jv_object(),
                                .document = document};
    jv entries = document->entries;
    document->entries = jv_invalid();
    int count = jv_get_kind(entries) == JV_KIND_ARRAY ? jv_array_length(jv_copy(entries)) : 0;
    bool good = true;
    for (int i = 0; good && i < count; i++)
        good = keep_read(journal, jv_array_get(jv_copy(entries), i), error);
    jv_free(entries);
    if (good)
        return journal;
    journal_close(journal);
    return NULL;
}

struct stage_document *journal_stage(const struct journal *journal) {
    return journal != NULL ? journal->document : NULL;
}

void journal_close(struct journal *journal) {
    if (journal == NULL)
        return;
    if (journal->reserved)
        durable_release(journal->fd);
    if (journal->fd >= 0)
        close(journal->fd);
    jv_free(journal->entries);
    free(journal->path);
    free(journal);
}

jv journal_newest(const struct journal *journal, const char *step, const char *other,
                  const char *key) {
    jv of_key = json_array(journal->entries, key), found = jv_invalid();
    for (int i = jv_array_length(jv_copy(of_key)); i > 0 && !jv_is_valid(found); i--) {
        jv entry = jv_array_get(jv_copy(of_key), i - 1);
        if (json_is(entry, "step", step) || (other != NULL && json_is(entry, "step", other)))
            found = jv_copy(entry);
        jv_free(entry);
    }
    jv_free(of_key);
    return found;
}

static bool add_to_file(struct journal *journal, jv entry, struct error *error) {
    char *text = json_text(entry), *line = must_format("%s\n", text);
    bool good = append_file_add(journal->fd, journal->path, line, strlen(line), error);
    free(text);
    free(line);
    return good;
}

/* Has the engine write it down. A stage that takes many documents at a time notes decisions, on
 * which no effect depends, and does not wait: the result does, for all that came before it. */
static bool add_in_stage(const struct journal *journal, jv entry, struct error *error) {
    struct stage_message message = stage_message_new(STAGE_ENTRY, journal->document->number);
    bool good = true;
    message.entry = jv_copy(entry);
    if (stage_is_many())
        stage_tell(journal->document, &message);
    else
        good = stage_ask(journal->document, &message, NULL, error);
    stage_message_free(&message);
    return good;
}

bool journal_add(struct journal *journal, const char *step, const char *key, jv entry,
                 struct error *error) {
    entry = json_set(entry, "format", jv_number(FORMAT));
    entry = json_set_string(json_set_string(entry, "step", step), "key", key);
    entry = json_set(entry, "time", jv_number(clock_now()));
    bool good = journal->document != NULL ? add_in_stage(journal, entry, error)
                                          : add_to_file(journal, entry, error);
    if (good)
        keep(journal, key, entry);
    else
        jv_free(entry);
    return good;
}

bool journal_reserve(struct journal *journal, size_t size, struct error *error) {
    if (journal->document != NULL)
        return true;
    journal->reserved = true;
    return durable_reserve(journal->fd, journal->path, size, error);
}
