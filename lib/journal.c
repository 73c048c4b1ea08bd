#include "journal.h"

#include "appended.h"
#include "clock.h"
#include "config.h"
#include "json.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct journal {
    int fd;
    char *path;
    jv entries; /* an array */
};

static bool read_entries(struct journal *journal, struct error *error) {
    unsigned long size;
    char *text = config_read_descriptor(journal->fd, journal->path, JSON_SIZE_LIMIT, &size, error);
    if (text == NULL)
        return false;
    bool good = true;
    for (char *line = text, *end; good && (end = strchr(line, '\n')) != NULL; line = end + 1) {
        jv entry;
        good = json_parse(line, (size_t)(end - line), &entry, error) &&
               json_string(entry, "step") != NULL;
        journal->entries = jv_array_append(journal->entries, entry);
    }
    free(text);
    return good || fail(error, STATUS_INPUT, "%s: is no journal of a document", journal->path);
}

struct journal *journal_open(const char *path, struct error *error) {
    int fd = appended_open(path, error);
    if (fd < 0)
        return NULL;
    struct journal *journal = must_alloc(sizeof *journal);
    *journal = (struct journal){fd, must_copy(path), jv_array()};
    if (read_entries(journal, error))
        return journal;
    journal_close(journal);
    return NULL;
}

void journal_close(struct journal *journal) {
    if (journal == NULL)
        return;
    close(journal->fd);
    jv_free(journal->entries);
    free(journal->path);
    free(journal);
}

jv journal_newest(const struct journal *journal, const char *step, const char *other,
                  const char *key) {
    jv found = jv_invalid();
    jv_array_foreach(journal->entries, i, entry) {
        bool fits =
            (json_is(entry, "step", step) || (other != NULL && json_is(entry, "step", other))) &&
            json_is(entry, "key", key);
        if (fits) {
            jv_free(found);
            found = entry;
        } else {
            jv_free(entry);
        }
    }
    return found;
}

bool journal_add(struct journal *journal, const char *step, const char *key, jv entry,
                 struct error *error) {
    entry = json_set_string(json_set_string(entry, "step", step), "key", key);
    entry = json_set(entry, "time", jv_number(clock_now()));
    char *text = json_text(entry), *line = must_format("%s\n", text);
    bool good = appended_add(journal->fd, journal->path, line, strlen(line), error);
    if (good)
        journal->entries = jv_array_append(journal->entries, entry);
    else
        jv_free(entry);
    free(text);
    free(line);
    return good;
}
