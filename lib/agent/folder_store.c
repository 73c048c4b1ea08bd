#include "agent/folder.h"

#include "approval/spent.h"
#include "base/clock.h"
#include "system/confine.h"
#include "system/durable_file.h"
#include "json/json.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHECKPOINT_SECONDS = 5, CHECKPOINT_SIZE = 8 * 1024 * 1024 };

static struct folder *of(struct store *store) {
    return (struct folder *)store;
}

static void free_folder(struct folder *folder) {
    folder_spent_free(folder);
    folder_paths_free(&folder->added);
    folder_paths_free(&folder->unsynced);
    folder_queue_close(&folder->queue);
    if (folder->log >= 0)
        close(folder->log);
    agent_spool_close(&folder->spool);
    free(folder->put_in.text);
    free(folder->spent);
    free(folder->run);
    free(folder);
}

/* The folder of spent approvals is found before the spool is the working directory, and not made
 * for a spool that is missing. */
static bool open_parts(struct folder *folder, const char *where, struct error *error) {
    struct error why;
    if (folder->use == STORE_ADDS && !durable_folder(where, error))
        return false;
    if (folder->use == STORE_RUNS && access(where, F_OK) == 0 &&
        (folder->spent = spent_for_spool(where, error)) == NULL)
        return false;
    if (!agent_spool_open(&folder->spool, where, folder->use != STORE_LISTS, error))
        return false;
    if (folder->use != STORE_RUNS)
        return true;
    if (!durable_folder("log", &why))
        return fail(error, why.status, "%s: %.900s", folder->spool.directory, why.text);
    folder_queue_open(&folder->queue);
    return folder_recover(folder, error);
}

static struct store *open_store(const char *where, enum store_use use, struct error *error) {
    struct folder *folder = must_alloc(sizeof *folder);
    *folder = (struct folder){.store = {&folder_store},
                              .spool = {NULL, -1},
                              .use = use,
                              .run = agent_spool_new_name(),
                              .log = -1,
                              .queue = {.watch = -1}};
    if (open_parts(folder, where, error))
        return &folder->store;
    free_folder(folder);
    return NULL;
}

/* Lets all documents go: others may take them at once. One whose file is behind keeps its lock's
 * file, which leads to the log. */
static void let_go(struct folder *folder) {
    for (struct folder_held *held = folder->held, *next; held != NULL; held = next) {
        next = held->next;
        if (!held->changed && !folder->lost) {
            folder_queue_put(&folder->queue,
                             folder_queue_find(&folder->queue, held->held.name, true), 0);
            folder_release(folder, held);
            continue;
        }
        close(held->claim);
        folder_free_held(held);
    }
    folder->held = NULL;
    folder_lock_free(folder);
}

static void close_store(struct store *store) {
    struct folder *folder = of(store);
    struct error error;
    folder_forget_put_in(folder);
    if (folder->use == STORE_RUNS) {
        bool good = !folder->lost && folder_checkpoint(folder, &error);
        let_go(folder);
        if (good && !folder_log_remove(folder, &error))
            report(folder->spool.directory, "%s", error.text);
        else if (!good && !folder->lost)
            report(folder->spool.directory, "%s; the next run brings the files up to date",
                   error.text);
        folder_index_write(&folder->queue);
    }
    free_folder(folder);
}

static void store_needs(const struct store *store, struct confinement *needs) {
    const struct folder *folder = (const struct folder *)store;
    if (folder->use == STORE_LISTS) /* which may open several */
        confine_add(needs->reads, folder->spool.directory);
    else
        confine_add(needs->writes, ".");
    confine_add(needs->writes, folder->spent);
    needs->times = needs->times || folder->use != STORE_LISTS;
}

static char *store_add(struct store *store, jv document, struct error *error) {
    char *name = agent_spool_new_name(), *path = folder_path("tmp", name);
    document = agent_spool_mark(document);
    char *text = json_text(document), *line = must_format("%s\n", text);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool good = fd >= 0 && durable_write_all(fd, line, strlen(line));
    if (good) {
        folder_paths_add(&of(store)->added, must_copy(name));
    } else {
        fail(error, STATUS_IO, "%s: %s", path, strerror(errno));
        unlink(path);
        free(name);
        name = NULL;
    }
    if (fd >= 0)
        close(fd);
    jv_free(document);
    free(text);
    free(line);
    free(path);
    return name;
}

/* When and whether a document that could not be taken waits. */
static void wait_longer(struct folder_queue *queue, struct folder_waiting *waiting, int status) {
    struct stat facts;
    char *path = folder_path("queue", waiting->name);
    if (lstat(path, &facts) != 0) {
        folder_queue_drop(queue, waiting);
    } else if (status == STATUS_NO_FILE) { /* it may not be read */
        folder_queue_leave(waiting, &facts);
    } else {
        folder_queue_put(queue, waiting, clock_now() + 1);
    }
    free(path);
}

static size_t store_take(struct store *store, struct held **taken, size_t most,
                         struct error *error) {
    struct folder *folder = of(store);
    size_t count = 0;
    *error = (struct error){STATUS_DONE, ""};
    if (folder->lost || !folder_queue_look(&folder->queue, false, error))
        return 0;
    struct folder_waiting *waiting;
    while (count < most && (waiting = folder_queue_next(&folder->queue)) != NULL) {
        struct error why = {STATUS_DONE, ""};
        struct folder_held *held = folder_take(folder, waiting->name, &why);
        if (held != NULL) {
            held->next = folder->held;
            folder->held = held;
            taken[count++] = &held->held;
            continue;
        }
        char *path = folder_path("queue", waiting->name);
        bool gone = why.status == STATUS_NO_FILE && access(path, F_OK) != 0;
        free(path);
        wait_longer(&folder->queue, waiting, why.status);
        if (why.status != STATUS_NOT_YET && !gone) {
            *error = why;
            break;
        }
    }
    return count;
}

static double store_next_due(struct store *store) {
    struct error ignored;
    folder_queue_look(&of(store)->queue, false, &ignored);
    return folder_queue_due(&of(store)->queue);
}

static int store_descriptor(const struct store *store) {
    struct folder *folder = (struct folder *)store;
    folder_queue_watch(&folder->queue);
    return folder->queue.watch;
}

static void store_entry(struct store *store, struct held *held, jv entry) {
    struct folder_held *own = held->own;
    own->version++;
    own->put_in = true;
    held->journal = jv_array_append(held->journal, jv_copy(entry));
    char *made = held->text == NULL ? json_text(entry) : NULL;
    const char *text = made != NULL ? made : held->text;
    folder_log_entry(of(store), own, text);
    folder_add_entry(own, text);
    free(made);
    jv_free(entry);
}

static void put_in(struct store *store, struct folder_held *own, jv document,
                   enum store_place place, double due) {
    jv_free(own->held.document);
    own->held.document = document;
    own->version++;
    own->put_in = true;
    own->place = place;
    own->due = due;
    free(own->text);
    own->text = folder_held_text(own);
    folder_log_save(of(store), own, own->text);
}

static void store_save(struct store *store, struct held *held, jv document) {
    struct folder_held *own = held->own;
    put_in(store, own, document, STORE_QUEUE, 0);
    free(own->text);
    own->text = NULL;
}

static void store_put_back(struct store *store, struct held *held, jv document,
                           enum store_place place, double due) {
    struct folder_held *own = held->own;
    own->put_back = true;
    put_in(store, own, document, place, due);
}

static void store_leave(struct store *store, struct held *held) {
    struct folder *folder = of(store);
    struct folder_held *own = held->own, **at = &folder->held;
    struct stat facts;
    while (*at != own)
        at = &(*at)->next;
    *at = own->next;
    char *path = folder_path("queue", held->name);
    struct folder_waiting *waiting = folder_queue_find(&folder->queue, held->name, true);
    if (lstat(path, &facts) == 0)
        folder_queue_leave(waiting, &facts);
    else
        folder_queue_drop(&folder->queue, waiting);
    free(path);
    folder_release(folder, own);
}

static enum commit store_commit(struct store *store, struct error *error) {
    return folder_commit(of(store), error);
}

static bool store_beat(struct store *store, struct error *error) {
    struct folder *folder = of(store);
    struct error why;
    if (folder->lost)
        return fail(error, STATUS_IO,
                    "%s: the log of this run cannot be written any more, so the run ends; start "
                    "another when the disk is in order",
                    folder->spool.directory);
    folder_catch_up(folder);
    folder_spent_write(folder);
    if (folder->log_end > 0 &&
        (folder->log_end > CHECKPOINT_SIZE ||
         clock_elapsed() - folder->log_since > CHECKPOINT_SECONDS) &&
        !folder_checkpoint(folder, &why))
        report(folder->spool.directory, "%s", why.text);
    if (!folder_recover(folder, &why))
        report(folder->spool.directory, "%s", why.text);
    return true;
}

/* Makes it the working directory again: another may have been opened since. */
static bool enter(struct store *store, struct error *error) {
    const struct agent_spool *spool = &of(store)->spool;
    *error = (struct error){STATUS_DONE, ""};
    return fchdir(spool->descriptor) == 0 ||
           fail(error, STATUS_IO, "%s: %s", spool->directory, strerror(errno));
}

static long store_count(struct store *store, enum store_place place, struct error *error) {
    if (!enter(store, error))
        return -1;
    DIR *listing = opendir(folder_place(place));
    struct stat facts;
    long count = 0;
    if (listing == NULL) {
        fail(error, STATUS_IO, "%s/%s: %s", of(store)->spool.directory, folder_place(place),
             strerror(errno));
        return -1;
    }
    for (struct dirent *entry; (entry = readdir(listing)) != NULL;)
        count += *entry->d_name != '.' &&
                 fstatat(dirfd(listing), entry->d_name, &facts, AT_SYMLINK_NOFOLLOW) == 0 &&
                 S_ISREG(facts.st_mode);
    closedir(listing);
    return count;
}

static bool store_each(struct store *store, enum store_place place, double since,
                       store_visit *visit, void *context, struct error *error) {
    size_t count;
    if (!enter(store, error))
        return false;
    struct agent_spool_entry *entries = agent_spool_entries(folder_place(place), &count, error);
    bool goes_on = true;
    for (size_t i = 0; goes_on && i < count; i++) {
        struct folder_document document;
        struct error why = {STATUS_DONE, ""};
        if (entries[i].due < since)
            continue;
        bool good = folder_read(folder_place(place), entries[i].name, &document, &why);
        if (why.status != STATUS_NO_FILE) /* else it has just been moved */
            goes_on = visit(context, entries[i].name, entries[i].due, document.document,
                            good ? NULL : &why);
        folder_free_document(&document);
    }
    agent_spool_free_entries(entries, count);
    return error->status == STATUS_DONE;
}

/* Moves one, which is durable then but for the folders. */
static bool retry_one(const char *name, struct error *error) {
    char *from = folder_path("failed", name), *to = folder_path("queue", name);
    int fd = *name != '.' && strchr(name, '/') == NULL
                 ? open(from, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
                 : -1;
    struct timespec now = {.tv_nsec = UTIME_NOW};
    bool good = true;
    if (fd < 0)
        good = fail(error, STATUS_NO_FILE, "%s: there is no failed document of this name", name);
    else if (access(to, F_OK) == 0)
        good = fail(error, STATUS_IO, "%s: is in failed and in queue; remove one of the two files",
                    name);
    else if (futimens(fd, (struct timespec[]){now, now}) != 0 || !durable_sync(fd) ||
             rename(from, to) != 0)
        good = fail(error, STATUS_IO, "%s: %s", from, strerror(errno));
    if (fd >= 0)
        close(fd);
    free(from);
    free(to);
    return good;
}

static long store_retry(struct store *store, char *const *names, struct error *error) {
    size_t all = 0;
    struct agent_spool_entry *entries = NULL;
    long count = 0;
    (void)store;
    *error = (struct error){STATUS_DONE, ""};
    if (names == NULL)
        entries = agent_spool_entries("failed", &all, error);
    bool good = error->status == STATUS_DONE;
    for (size_t i = 0; good && (names != NULL ? names[i] != NULL : i < all); i++) {
        good = retry_one(names != NULL ? names[i] : entries[i].name, error);
        count += good;
    }
    if (count > 0 && good)
        good = folder_sync_file("queue", error) && folder_sync_file("failed", error);
    agent_spool_free_entries(entries, all);
    return good ? count : -1;
}

static int store_lock(struct held *held, bool outlives) {
    struct folder_held *document = held->own;
    document->outlived = document->outlived || outlives;
    return document->claim;
}

const struct store_kind folder_store = {
    .name = "folder",
    .open = open_store,
    .close = close_store,
    .needs = store_needs,
    .add = store_add,
    .take = store_take,
    .next_due = store_next_due,
    .descriptor = store_descriptor,
    .entry = store_entry,
    .save = store_save,
    .put_back = store_put_back,
    .leave = store_leave,
    .lock = store_lock,
    .spend = folder_spend,
    .spent = folder_spent,
    .commit = store_commit,
    .beat = store_beat,
    .each = store_each,
    .count = store_count,
    .retry = store_retry,
};
