/* Spent approvals (approval/spent.h), in the files that commands outside of a spool use too. Each
 * is locked from the beginning of a use to the commit. The beginning is on the disk before the
 * answer; the end is in the log first, and then in the file. */
#include "agent/folder.h"

#include "base/clock.h"
#include "system/durable_file.h"
#include "system/settings.h"
#include "json/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FORMAT = 1 };

/* A record of which uses begin with the next commit. */
struct folder_spending {
    struct folder_spending *next;
    char *name, *claim; /* claim: whose execution this is about */
    int fd;             /* -1: somebody else has it, or another of these has */
    off_t end;          /* before what is written */
    jv entries;         /* newest last; those of the file, and what is put in */
    char *line;         /* to be written; NULL for nothing */
    enum store_spent found;
    bool begun_before, is_answered;
    enum store_spent *answer;
    bool *again;
};

/* An end to be written; also remembers a use that an earlier try perhaps made. */
struct folder_ending {
    struct folder_ending *next;
    char *name;
    jv ending;      /* key, claim, use */
    bool committed; /* it is in the log */
    bool perhaps;   /* no end: begun again by this claim */
};

static char *path_of(const struct folder *folder, const char *name) {
    return must_format("%s/%s", folder->spent, name);
}

static bool is_name(const char *name) {
    return *name != '\0' && *name != '.' && strchr(name, '/') == NULL;
}

/* The whole lines of an open record; *end is where they end. False if it is no record that this
 * version can read. */
static bool read_entries(int fd, const char *path, jv *entries, off_t *end) {
    unsigned long size;
    struct error ignored;
    char *text = lseek(fd, 0, SEEK_SET) == 0
                     ? file_read_descriptor(fd, path, JSON_SIZE_LIMIT, &size, &ignored)
                     : NULL;
    bool good = text != NULL;
    char *line = text;
    *entries = jv_array();
    for (char *newline;
         good && (newline = memchr(line, '\n', size - (size_t)(line - text))) != NULL;
         line = newline + 1) {
        jv entry;
        good = json_parse(line, (size_t)(newline - line), &entry, &ignored) &&
               json_string(entry, "step") != NULL && json_string(entry, "key") != NULL &&
               json_is_format(entry, FORMAT);
        if (good)
            *entries = jv_array_append(*entries, jv_copy(entry));
        jv_free(entry);
    }
    *end = good ? line - text : 0;
    free(text);
    return good;
}

/* The newest entry of this execution. */
static jv newest(jv entries, const char *key) {
    for (int i = jv_array_length(jv_copy(entries)); i > 0; i--) {
        jv entry = jv_array_get(jv_copy(entries), i - 1);
        if (json_is(entry, "key", key) &&
            (json_is(entry, "step", "execute") || json_is(entry, "step", "executed")))
            return entry;
        jv_free(entry);
    }
    return jv_invalid();
}

/* Opens a record without waiting for who has it. -1 if somebody has. */
static int open_record(const char *path, jv *entries, off_t *end) {
    struct error ignored;
    int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    *entries = jv_array();
    if (fd < 0)
        return -1;
    bool good = durable_is_ours(fd, path, &ignored) && durable_lock(fd, LOCK_EX | LOCK_NB) &&
                durable_is_named(fd, path);
    if (good) {
        jv_free(*entries);
        good = read_entries(fd, path, entries, end);
    }
    if (good) {
        struct stat facts;
        good = fstat(fd, &facts) == 0 && (facts.st_size == *end || ftruncate(fd, *end) == 0);
    }
    if (good)
        return fd;
    close(fd);
    return -1;
}

static jv entry_of(const char *step, const char *key, const char *claim) {
    jv entry = json_set(jv_object(), "format", jv_number(FORMAT));
    entry = json_set_string(json_set_string(entry, "step", step), "key", key);
    return json_set(json_set_string(entry, "claim", claim), "time", jv_number(clock_now()));
}

static char *line_of(jv entry) {
    char *text = json_text(entry), *line = must_format("%s\n", text);
    free(text);
    jv_free(entry);
    return line;
}

/* What the record says of this use. */
static void judge(struct folder_spending *spending, const char *key) {
    jv entry = newest(spending->entries, key);
    bool is_free = !jv_is_valid(entry) || json_has(entry, "released");
    bool ours = json_is(entry, "claim", spending->claim), used = json_is(entry, "step", "executed");
    jv_free(entry);
    if (is_free) {
        jv begun = entry_of("execute", key, spending->claim);
        spending->entries = jv_array_append(spending->entries, jv_copy(begun));
        spending->line = line_of(begun);
        spending->found = STORE_SPENT_NOW;
    } else if (ours && !used) {
        spending->begun_before = true;
        spending->found = STORE_SPENT_NOW;
    } else {
        spending->found = used && !ours ? STORE_SPENT_BEFORE : STORE_SPENT_UNKNOWN;
    }
}

/* Whether the end of an earlier use could not be written yet: written later, it would be taken for
 * that of the next. */
static bool ends_late(struct folder *folder, const char *name) {
    bool late = false;
    folder_spent_write(folder);
    for (const struct folder_ending *one = folder->ending; one != NULL; one = one->next)
        late = late || (!one->perhaps && strcmp(one->name, name) == 0);
    return late;
}

void folder_spend(struct store *store, struct held *held, const char *name, const char *key,
                  const char *claim, enum store_spent *answer, bool *again) {
    struct folder *folder = (struct folder *)store;
    struct folder_spending *spending = must_alloc(sizeof *spending);
    (void)held;
    *spending = (struct folder_spending){.next = folder->spending,
                                         .name = must_copy(name),
                                         .claim = must_copy(claim),
                                         .fd = -1,
                                         .found = STORE_SPENT_UNKNOWN,
                                         .answer = answer,
                                         .again = again};
    spending->entries = jv_invalid();
    bool taken = folder->spent == NULL || !is_name(name);
    for (struct folder_spending *one = folder->spending; one != NULL; one = one->next)
        taken = taken || strcmp(one->name, name) == 0;
    taken = taken || ends_late(folder, name);
    folder->spending = spending;
    if (taken) /* its outcome is unknown */
        return;
    char *path = path_of(folder, name);
    spending->fd = open_record(path, &spending->entries, &spending->end);
    free(path);
    if (spending->fd >= 0)
        judge(spending, key);
}

bool folder_spend_write(struct folder *folder, struct error *error) {
    bool good = true, any = false;
    for (struct folder_spending *one = folder->spending; good && one != NULL; one = one->next)
        if (one->line != NULL) {
            any = true;
            good = durable_write_all(one->fd, one->line, strlen(one->line));
        }
    for (struct folder_spending *one = folder->spending; good && one != NULL; one = one->next)
        if (one->line != NULL)
            good = durable_sync(one->fd);
    if (!good)
        return fail(error, STATUS_IO, "%s: %s", folder->spent, strerror(errno));
    return !any || folder_sync_file(folder->spent, error);
}

/* Remembers that an earlier try of this execution perhaps used the approval. */
static void remember(struct folder *folder, const struct folder_spending *spending) {
    struct folder_ending *ending = must_alloc(sizeof *ending);
    *ending = (struct folder_ending){.next = folder->ending,
                                     .name = must_copy(spending->name),
                                     .perhaps = true,
                                     .committed = true};
    ending->ending = json_set_string(jv_object(), "claim", spending->claim);
    folder->ending = ending;
}

void folder_spend_end(struct folder *folder, bool committed) {
    for (struct folder_spending *one = folder->spending, *next; one != NULL; one = next) {
        next = one->next;
        if (committed) {
            *one->answer = one->found;
            *one->again = *one->again || one->begun_before;
            if (one->begun_before)
                remember(folder, one);
        } else if (one->line != NULL && ftruncate(one->fd, one->end) == 0) {
            durable_sync(one->fd); /* else it stays begun, which is a no to others */
        }
        if (one->fd >= 0)
            close(one->fd);
        jv_free(one->entries);
        free(one->line);
        free(one->name);
        free(one->claim);
        free(one);
    }
    folder->spending = NULL;
}

static void free_ending(struct folder_ending *ending) {
    jv_free(ending->ending);
    free(ending->name);
    free(ending);
}

/* Whether this execution was begun before; forgets it. */
static bool recall(struct folder *folder, const char *name, const char *claim) {
    for (struct folder_ending **at = &folder->ending; *at != NULL; at = &(*at)->next)
        if ((*at)->perhaps && strcmp((*at)->name, name) == 0 &&
            json_is((*at)->ending, "claim", claim)) {
            struct folder_ending *found = *at;
            *at = found->next;
            free_ending(found);
            return true;
        }
    return false;
}

static void put_ending(struct folder *folder, const char *name, jv ending, bool committed) {
    struct folder_ending *one = must_alloc(sizeof *one);
    *one = (struct folder_ending){.name = must_copy(name), .committed = committed};
    one->ending = ending;
    struct folder_ending **at = &folder->ending;
    while (*at != NULL)
        at = &(*at)->next;
    *at = one;
}

void folder_spent(struct store *store, struct held *held, const char *name, const char *key,
                  const char *claim, const char *use) {
    struct folder *folder = (struct folder *)store;
    (void)held;
    bool perhaps = recall(folder, name, claim);
    bool used = strcmp(use, "used") == 0, not_used = strcmp(use, "not_used") == 0 && !perhaps;
    if (folder->spent == NULL || !is_name(name) || (!used && !not_used))
        return;
    jv ending = json_set_string(json_set_string(jv_object(), "key", key), "claim", claim);
    ending = json_set_string(ending, "use", use);
    folder_log_spent(folder, name, jv_copy(ending));
    put_ending(folder, name, ending, false);
}

/* False if somebody else has the record now, or the disk is full. */
static bool write_ending(struct folder *folder, const struct folder_ending *ending) {
    jv entries;
    off_t end = 0;
    char *path = path_of(folder, ending->name);
    int fd = open_record(path, &entries, &end);
    const char *key = json_string(ending->ending, "key"),
               *claim = json_string(ending->ending, "claim");
    bool good = fd >= 0;
    jv last = good && key != NULL ? newest(entries, key) : jv_invalid();
    bool used = json_is(ending->ending, "use", "used");
    bool may_end = json_is(last, "step", "execute") || (used && json_has(last, "released"));
    if (may_end && claim != NULL && json_is(last, "claim", claim)) {
        jv entry = entry_of("executed", key, claim);
        if (!used)
            entry = json_set(entry, "released", jv_true());
        char *line = line_of(entry);
        good = durable_write_all(fd, line, strlen(line));
        if (!good && ftruncate(fd, end) != 0)
            good = false; /* the next to open it cuts it off */
        free(line);
    }
    jv_free(last);
    jv_free(entries);
    if (fd >= 0)
        close(fd);
    folder_paths_add(&folder->spent_unsynced, path);
    return good;
}

bool folder_spent_write(struct folder *folder) {
    bool all = true;
    for (struct folder_ending **at = &folder->ending; *at != NULL;) {
        struct folder_ending *one = *at;
        if (one->perhaps || !one->committed || !write_ending(folder, one)) {
            all = all && (one->perhaps || !one->committed);
            at = &one->next;
        } else {
            *at = one->next;
            free_ending(one);
        }
    }
    return all;
}

void folder_spent_log(struct folder *folder) {
    for (struct folder_ending *one = folder->ending; one != NULL; one = one->next)
        if (one->committed && !one->perhaps)
            folder_log_spent(folder, one->name, jv_copy(one->ending));
}

bool folder_spent_sync(struct folder *folder, struct error *error) {
    bool good = true;
    for (size_t i = 0; good && i < folder->spent_unsynced.count; i++)
        good = folder_sync_file(folder->spent_unsynced.paths[i], error);
    if (good)
        folder_paths_free(&folder->spent_unsynced);
    return good;
}

void folder_spent_recover(struct folder *folder, const char *name, jv ending) {
    if (folder->spent != NULL && is_name(name))
        put_ending(folder, name, ending, true);
    else
        jv_free(ending);
}

void folder_spent_commit(struct folder *folder, bool committed) {
    for (struct folder_ending **at = &folder->ending; *at != NULL;) {
        struct folder_ending *one = *at;
        if (!one->committed && !committed) {
            *at = one->next;
            free_ending(one);
        } else {
            one->committed = true;
            at = &one->next;
        }
    }
}

void folder_spent_free(struct folder *folder) {
    folder_spend_end(folder, false);
    for (struct folder_ending *one = folder->ending, *next; one != NULL; one = next) {
        next = one->next;
        free_ending(one);
    }
    folder->ending = NULL;
    folder_paths_free(&folder->spent_unsynced);
}
