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

/* The first line of a spool's journal, of fixed size, so that it is overwritten in place. */
#define GENERATION_BEGIN "{\"format\":1,\"step\":\"generation\",\"key\":\""
#define GENERATION_END "\"}\n"
enum { NAME_BYTES = 12, NAME_SIZE = 16 /* as base64url */ };
enum { GENERATION_SIZE = sizeof GENERATION_BEGIN - 1 + NAME_SIZE + sizeof GENERATION_END - 1 };

struct journal {
    int fd;
    char *path;
    jv entries; /* an object: maps each key to an array of entries, in the order of the file */
    char generation[NAME_SIZE + 1]; /* "" if it is not a spool's */
    bool reserved;
};

static bool is_step(const char *step) {
    static const char *const steps[] = {"generation", "ask",     "asked",   "decided",
                                        "refreshed",  "execute", "executed"};
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

/* Refuses lines of a later version rather than skipping them: they may record something that was
 * done. */
static bool keep_line(struct journal *journal, const char *line, size_t size, struct error *error) {
    jv entry;
    struct error ignored;
    bool parsed = json_parse(line, size, &entry, &ignored);
    const char *step = json_string(entry, "step"), *key = json_string(entry, "key");
    bool good = parsed && step != NULL && key != NULL;
    bool known = good && is_step(step) && json_is_format(entry, FORMAT);
    if (!good)
        fail(error, STATUS_INPUT, "%s: is no journal of a document", journal->path);
    else if (!known)
        fail(error, STATUS_INPUT, "%s: was written by a later version of this command",
             journal->path);
    else if (strcmp(step, "generation") == 0)
        snprintf(journal->generation, sizeof journal->generation, "%s", key);
    else
        keep(journal, key, jv_copy(entry));
    jv_free(entry);
    return known;
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

/* Whether the document is still in the state for which this process was started. */
static bool is_current(const struct journal *journal, const char *generation, struct error *error) {
    struct stat facts;
    bool current = generation == NULL ? *journal->generation == '\0'
                                      : fstat(journal->fd, &facts) == 0 && facts.st_nlink > 0 &&
                                            strcmp(journal->generation, generation) == 0;
    return current || fail(error, STATUS_NOT_YET,
                           "%s: the document has gone on without this process, which does nothing",
                           journal->path);
}

struct journal *journal_open(const char *path, const char *generation, struct error *error) {
    int fd = append_file_open(path, generation == NULL, error);
    if (fd < 0)
        return NULL;
    struct journal *journal = must_alloc(sizeof *journal);
    *journal = (struct journal){.fd = fd, .path = must_copy(path), .entries = jv_object()};
    if (read_entries(journal, error) && is_current(journal, generation, error))
        return journal;
    journal_close(journal);
    return NULL;
}

void journal_close(struct journal *journal) {
    if (journal == NULL)
        return;
    if (journal->reserved)
        durable_release(journal->fd);
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

bool journal_add(struct journal *journal, const char *step, const char *key, jv entry,
                 struct error *error) {
    entry = json_set(entry, "format", jv_number(FORMAT));
    entry = json_set_string(json_set_string(entry, "step", step), "key", key);
    entry = json_set(entry, "time", jv_number(clock_now()));
    char *text = json_text(entry), *line = must_format("%s\n", text);
    bool good = append_file_add(journal->fd, journal->path, line, strlen(line), error);
    if (good)
        keep(journal, key, entry);
    else
        jv_free(entry);
    free(text);
    free(line);
    return good;
}

bool journal_reserve(struct journal *journal, size_t size, struct error *error) {
    journal->reserved = true;
    return durable_reserve(journal->fd, journal->path, size, error);
}

/* Adds the first line to a journal of an earlier version. */
static bool put_before(int fd, const char *path, const char *aside, const char *line,
                       struct error *error) {
    unsigned long size;
    char *text = lseek(fd, 0, SEEK_SET) == 0
                     ? file_read_descriptor(fd, path, JSON_SIZE_LIMIT, &size, error)
                     : NULL;
    if (text == NULL)
        return false;
    char *whole = must_alloc(GENERATION_SIZE + size);
    memcpy(whole, line, GENERATION_SIZE);
    memcpy(whole + GENERATION_SIZE, text, size);
    bool good = durable_write(aside, path, whole, GENERATION_SIZE + size, 0, error);
    free(text);
    free(whole);
    return good;
}

/* Writes the line in its place. It need not be synced: no process survives a crash of the
 * machine. */
static bool put_generation(int fd, const char *path, const char *aside, const char *line,
                           struct error *error) {
    char found[GENERATION_SIZE];
    ssize_t size = pread(fd, found, sizeof found, 0);
    if (size == 0 && !durable_sync_folder_of(path, error))
        return false;
    bool torn = size >= 0 && size < GENERATION_SIZE && memchr(found, '\n', (size_t)size) == NULL;
    bool has_one = size == GENERATION_SIZE &&
                   memcmp(found, GENERATION_BEGIN, sizeof GENERATION_BEGIN - 1) == 0;
    if (size >= 0 && !torn && !has_one)
        return put_before(fd, path, aside, line, error);
    return (size >= 0 && lseek(fd, 0, SEEK_SET) == 0 &&
            durable_write_all(fd, line, GENERATION_SIZE)) ||
           fail(error, STATUS_IO, "%s: %s", path, strerror(errno));
}

char *journal_fence(const char *path, const char *aside, struct error *error) {
    int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    char *generation = random_name(NAME_BYTES);
    char *line = must_format("%s%s%s", GENERATION_BEGIN, generation, GENERATION_END);
    bool good = false;
    if (fd < 0)
        fail(error, STATUS_IO, "%s: %s", path, strerror(errno));
    else if (!durable_is_ours(fd, path, error))
        good = false;
    else if (!durable_lock(fd, LOCK_EX | LOCK_NB))
        fail(error, STATUS_NOT_YET, "%s: another process has it", path);
    else
        good = put_generation(fd, path, aside, line, error);
    if (fd >= 0)
        close(fd);
    free(line);
    if (good)
        return generation;
    free(generation);
    return NULL;
}
