/* What runs that were killed have committed, and not yet written into the documents' files. Killed
 * itself at any point, it is begun anew by the next: a log is removed only when what it says is
 * durable in the files. */
#include "agent/folder.h"

#include "system/durable_file.h"
#include "json/json.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct record {
    char *name;
    double version;
    bool same_boot; /* of its log */
    size_t number;  /* in the order of its log */
    jv head, body;
};

/* All dead logs; they are locked. */
struct recovery {
    struct folder *folder;
    struct record *records;
    size_t count, room;
    struct folder_paths logs;
    int *locks;
};

static void keep(void *context, jv head, jv body) {
    struct recovery *recovery = context;
    double version = 0;
    const char *name = json_string(head, "name"), *spent = json_string(head, "spent");
    if (spent != NULL) {
        folder_spent_recover(recovery->folder, spent, jv_copy(body));
    } else if (name != NULL && *name != '.' && strchr(name, '/') == NULL &&
               json_number(head, "version", &version)) {
        if (recovery->count == recovery->room) {
            recovery->room = recovery->room * 2 + 64;
            recovery->records =
                must_grow(recovery->records, recovery->room * sizeof *recovery->records);
        }
        recovery->records[recovery->count] = (struct record){
            must_copy(name), version, false, recovery->count, jv_copy(head), jv_copy(body)};
        recovery->count++;
    }
}

/* Reads a log if its run has ended; then it stays locked. */
static bool add_log(struct recovery *recovery, char *path, struct error *error) {
    struct stat facts;
    bool same_boot, good = true;
    int fd = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &facts) != 0 || !S_ISREG(facts.st_mode) ||
        !durable_lock(fd, LOCK_EX | LOCK_NB) || !durable_is_named(fd, path)) {
        good =
            fd >= 0 || errno == ENOENT || fail(error, STATUS_IO, "%s: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        free(path);
        return good;
    }
    size_t first = recovery->count;
    recovery->locks =
        must_grow(recovery->locks, (recovery->logs.count + 1) * sizeof *recovery->locks);
    recovery->locks[recovery->logs.count] = fd;
    folder_paths_add(&recovery->logs, path);
    if (!durable_is_ours(fd, path, error) ||
        !folder_log_read(fd, path, keep, recovery, &same_boot, error))
        return false;
    for (size_t i = first; i < recovery->count; i++)
        recovery->records[i].same_boot = same_boot;
    return true;
}

static bool add_logs(struct recovery *recovery, struct error *error) {
    DIR *listing = opendir("log");
    bool good = listing != NULL ||
                fail(error, STATUS_IO, "the folder log of the spool: %s", strerror(errno));
    for (struct dirent *entry; listing != NULL && good && (entry = readdir(listing)) != NULL;)
        if (entry->d_name[0] != '.' && strcmp(entry->d_name, recovery->folder->run) != 0)
            good = add_log(recovery, folder_path("log", entry->d_name), error);
    if (listing != NULL)
        closedir(listing);
    return good;
}

static int by_name(const void *one, const void *other) {
    const struct record *a = one, *b = other;
    int names = strcmp(a->name, b->name);
    if (names != 0)
        return names;
    return a->version != b->version ? (a->version > b->version) - (a->version < b->version)
                                    : (a->number > b->number) - (a->number < b->number);
}

static bool is_there(const char *place, const char *name) {
    struct stat facts;
    char *path = folder_path(place, name);
    bool there = lstat(path, &facts) == 0;
    free(path);
    return there;
}

static void remove_from(const char *place, const char *name) {
    char *path = folder_path(place, name);
    unlink(path);
    free(path);
}

static bool is_place(const struct record *record, enum store_place place) {
    return json_is(record->head, "place", folder_place(place));
}

static const struct record *newest_whole(const struct record *records, size_t count) {
    while (count > 0 && !json_has(records[count - 1].head, "place"))
        count--;
    return count > 0 ? &records[count - 1] : NULL;
}

/* The newest of what files and logs have; `document` begins as the newer of the files. False if
 * there is none. */
static bool bring_up(struct folder_document *document, const struct record *whole,
                     const struct record *records, size_t count) {
    if (whole != NULL && whole->version > document->version) {
        folder_free_document(document);
        *document = (struct folder_document){jv_copy(whole->body), jv_array(), 0};
        folder_part(document);
        document->version = whole->version;
    }
    if (document->version < 0)
        return false;
    for (size_t i = 0; i < count; i++)
        if (records[i].version > document->version && !json_has(records[i].head, "place")) {
            document->journal = jv_array_append(document->journal, jv_copy(records[i].body));
            document->version = records[i].version;
        }
    return true;
}

/* Writes the document to where its last record says. */
static bool put(struct folder *folder, const struct folder_document *document,
                const struct record *whole, const struct record *last, struct error *error) {
    enum store_place place = STORE_QUEUE;
    double due = 0;
    if (whole == last) { /* else it was being worked on: it is due */
        place = is_place(last, STORE_DONE)     ? STORE_DONE
                : is_place(last, STORE_FAILED) ? STORE_FAILED
                                               : STORE_QUEUE;
        json_number(last->head, "due", &due);
    }
    char *text = folder_text(document, place);
    bool good = folder_write(folder, last->name, text, place, due, error);
    if (good && place != STORE_FAILED)
        remove_from("failed", last->name);
    free(text);
    return good;
}

/* Brings one document up to its records. */
static bool recover_document(struct folder *folder, const struct record *records, size_t count,
                             struct error *error) {
    struct folder_document queued, failed, done;
    struct error ignored;
    const struct record *last = &records[count - 1], *whole = newest_whole(records, count);
    const char *name = last->name;
    folder_read("queue", name, &queued, &ignored);
    folder_read("failed", name, &failed, &ignored);
    bool has_ended = folder_read("done", name, &done, &ignored); /* it may just have moved there */
    folder_free_document(&done);
    struct folder_document *newer = queued.version >= failed.version ? &queued : &failed;
    bool good = true, missing = !is_there("queue", name) && !is_there("failed", name);
    if (has_ended) {
        if (whole == last && is_place(last, STORE_DONE) && queued.version < last->version)
            remove_from("queue", name);
    } else if (newer->version >= last->version) {
        if (newer == &failed && queued.version >= 0)
            remove_from("queue", name);
    } else if (missing && !is_there("done", name) && last->same_boot) {
        ; /* somebody has removed it */
    } else if (bring_up(newer, whole, records, count)) {
        good = put(folder, newer, whole, last, error);
    } else {
        report(name, "its file was removed while a run worked on it; it is not worked on any more");
    }
    folder_free_document(&queued);
    folder_free_document(&failed);
    return good;
}

static bool recover_documents(struct recovery *recovery, struct error *error) {
    bool good = true;
    struct folder_paths paths = {.paths = NULL};
    if (recovery->count == 0)
        return true;
    qsort(recovery->records, recovery->count, sizeof *recovery->records, by_name);
    for (size_t i = 0, next; good && i < recovery->count; i = next) {
        for (next = i + 1; next < recovery->count &&
                           strcmp(recovery->records[next].name, recovery->records[i].name) == 0;)
            next++;
        good = recover_document(recovery->folder, &recovery->records[i], next - i, error);
        for (int place = STORE_QUEUE; place <= STORE_FAILED; place++)
            folder_paths_add(&paths, folder_path(folder_place((enum store_place)place),
                                                 recovery->records[i].name));
    }
    good = good && folder_sync(recovery->folder, &paths, error);
    folder_paths_free(&paths);
    return good;
}

/* The logs, and then the locks that say whose log is to be looked at: not of a document that yet
 * another run has had since, which was killed just now. */
static bool remove_logs(struct recovery *recovery, struct error *error) {
    struct error ignored;
    for (size_t i = 0; i < recovery->logs.count; i++) {
        if (unlink(recovery->logs.paths[i]) != 0)
            return fail(error, STATUS_IO, "%s: %s", recovery->logs.paths[i], strerror(errno));
        folder_lock_sweep(strchr(recovery->logs.paths[i], '/') + 1);
    }
    if (recovery->logs.count > 0 && !folder_sync_file("log", error))
        return false;
    for (size_t i = 0; i < recovery->count; i++) {
        const char *name = recovery->records[i].name;
        int claim = i > 0 && strcmp(recovery->records[i - 1].name, name) == 0
                        ? -1
                        : agent_spool_claim(name, &ignored);
        if (claim >= 0 && folder_lock_leads_to_log(claim))
            close(claim);
        else if (claim >= 0)
            agent_spool_release(name, claim);
    }
    return true;
}

static void free_recovery(struct recovery *recovery) {
    for (size_t i = 0; i < recovery->count; i++) {
        free(recovery->records[i].name);
        jv_free(recovery->records[i].head);
        jv_free(recovery->records[i].body);
    }
    for (size_t i = 0; i < recovery->logs.count; i++)
        close(recovery->locks[i]);
    free(recovery->records);
    free(recovery->locks);
    folder_paths_free(&recovery->logs);
}

/* What cannot be written down now, as somebody else has the record, goes into this run's log. */
static bool recover_spent(struct folder *folder, struct error *error) {
    if (folder_spent_write(folder))
        return folder_spent_sync(folder, error);
    struct text put_in = folder->put_in;
    folder->put_in = (struct text){.text = NULL};
    folder_spent_log(folder);
    bool good = folder_log_write(folder, error) == COMMITTED && folder_spent_sync(folder, error);
    free(folder->put_in.text);
    folder->put_in = put_in;
    return good;
}

bool folder_recover(struct folder *folder, struct error *error) {
    struct recovery recovery = {.folder = folder};
    int only = open("log", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (only < 0)
        return errno == ENOENT ||
               fail(error, STATUS_IO, "the folder log of the spool: %s", strerror(errno));
    bool good = durable_lock(only, LOCK_EX) ||
                fail(error, STATUS_IO, "the folder log of the spool: %s", strerror(errno));
    good = good && add_logs(&recovery, error) && recover_documents(&recovery, error) &&
           recover_spent(folder, error) && remove_logs(&recovery, error);
    free_recovery(&recovery);
    close(only);
    return good;
}
