/* How what was put in becomes durable: spent approvals and new documents in their files, the rest
 * in the log; then, without a sync, in the files. */
#define _GNU_SOURCE /* syncfs */
#include "agent/folder.h"

#include "base/clock.h"
#include "system/durable_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LOG_LIMIT = 32 * 1024 * 1024 };

static bool sync_added(const struct folder *folder, struct error *error) {
    bool good = true;
#ifdef __linux__
    if (folder->added.count > FOLDER_SYNC_ONE_BY_ONE && syncfs(folder->spool.descriptor) == 0)
        return true;
#endif
    for (size_t i = 0; good && i < folder->added.count; i++) {
        char *path = folder_path("tmp", folder->added.paths[i]);
        good = folder_sync_file(path, error);
        free(path);
    }
    return good;
}

/* Moves the new documents from tmp/ to the queue. */
static bool write_added(const struct folder *folder, struct error *error) {
    if (folder->added.count == 0)
        return true;
    bool good = sync_added(folder, error);
    for (size_t i = 0; good && i < folder->added.count; i++) {
        char *from = folder_path("tmp", folder->added.paths[i]);
        char *to = folder_path("queue", folder->added.paths[i]);
        good = rename(from, to) == 0 || fail(error, STATUS_IO, "%s: %s", to, strerror(errno));
        free(from);
        free(to);
    }
    return good && folder_sync_file("queue", error);
}

static void forget_added(struct folder *folder, bool committed) {
    static const char *const folders[] = {"tmp", "queue"};
    for (size_t i = 0; i < 2 * folder->added.count && !committed; i++) {
        char *path = folder_path(folders[i % 2], folder->added.paths[i / 2]);
        unlink(path);
        free(path);
    }
    folder_paths_free(&folder->added);
}

static void keep_committed(struct folder_held *held) {
    folder_free_document(&held->committed);
    held->committed = (struct folder_document){jv_copy(held->held.document),
                                               jv_copy(held->held.journal), held->version};
    held->changed = true;
    held->released = held->put_back;
    held->put_in = false;
}

static void go_back(struct folder_held *held) {
    jv_free(held->held.document);
    jv_free(held->held.journal);
    held->held.document = jv_copy(held->committed.document);
    held->held.journal = jv_copy(held->committed.journal);
    held->version = held->committed.version;
    free(held->text);
    held->text = NULL;
    held->stale = true;
    held->put_in = held->put_back = false;
}

void folder_forget_put_in(struct folder *folder) {
    for (struct folder_held *held = folder->held; held != NULL; held = held->next)
        if (held->put_in)
            go_back(held);
    folder->put_in.size = 0;
    folder_spend_end(folder, false);
    folder_spent_commit(folder, false);
    forget_added(folder, false);
}

/* Writes its file and lets it go. False if that is not possible now. */
static bool write_released(struct folder *folder, struct folder_held *held) {
    struct error error;
    const char *name = held->held.name;
    bool good = held->place == STORE_DONE
                    ? folder_finish(folder, name, held->text, &error)
                    : folder_write(folder, name, held->text, held->place, held->due, &error);
    if (!good) {
        report(held->held.name,
               "%s; what became of it is safe in the spool's log, and its file is written later",
               error.text);
        return false;
    }
    struct folder_waiting *waiting = folder_queue_find(&folder->queue, held->held.name, true);
    if (held->place == STORE_QUEUE)
        folder_queue_put(&folder->queue, waiting, held->due > 0 ? held->due : clock_now());
    else
        folder_queue_drop(&folder->queue, waiting);
    folder_release(folder, held);
    return true;
}

static void write_all_released(struct folder *folder) {
    for (struct folder_held **at = &folder->held; *at != NULL;) {
        struct folder_held *held = *at, *next = held->next;
        if (held->released && write_released(folder, held))
            *at = next;
        else
            at = &held->next;
    }
}

enum commit folder_commit(struct folder *folder, struct error *error) {
    if (folder->lost) {
        fail(error, STATUS_IO,
             "%s: the log of this run cannot be written any more, so the run ends; start another "
             "when the disk is in order",
             folder->spool.directory);
        return COMMIT_LOST;
    }
    enum commit commit = COMMIT_REFUSED;
    if (folder_spend_write(folder, error) && write_added(folder, error))
        commit = folder_log_write(folder, error);
    if (commit == COMMIT_LOST)
        return commit;
    if (commit == COMMIT_REFUSED) {
        folder_forget_put_in(folder);
        return commit;
    }
    folder->put_in.size = 0;
    folder_spend_end(folder, true);
    folder_spent_commit(folder, true);
    forget_added(folder, true);
    for (struct folder_held *held = folder->held; held != NULL; held = held->next)
        if (held->put_in)
            keep_committed(held);
    write_all_released(folder);
    folder_spent_write(folder);
    struct error later;
    if (folder->log_end > LOG_LIMIT && !folder_checkpoint(folder, &later))
        report(folder->spool.directory, "%s", later.text);
    return COMMITTED;
}

/* One that is being worked on is due, should this process be killed. */
static bool write_changed(struct folder *folder, struct folder_held *held) {
    struct error error;
    char *text = folder_text(&held->committed, STORE_QUEUE);
    held->changed = !folder_write(folder, held->held.name, text, STORE_QUEUE, 0, &error);
    if (held->changed)
        report(held->held.name,
               "%s; what became of it is safe in the spool's log, and its file is written later",
               error.text);
    free(text);
    return !held->changed;
}

/* Puts the whole state of the documents whose files are written next into the log: it may have
 * nothing but entries of theirs, and a power cut could leave such a file empty. */
static bool log_whole(struct folder *folder) {
    struct text put_in = folder->put_in;
    struct error error;
    folder->put_in = (struct text){.text = NULL};
    for (const struct folder_held *held = folder->held; held != NULL; held = held->next) {
        if (!held->changed || held->released)
            continue;
        struct folder_held state = {
            .held.name = held->held.name, .version = held->committed.version, .place = STORE_QUEUE};
        char *text = folder_text(&held->committed, STORE_QUEUE);
        folder_log_save(folder, &state, text);
        free(text);
    }
    bool good = folder_log_write(folder, &error) == COMMITTED;
    if (!good)
        report(folder->spool.directory, "%s", error.text);
    free(folder->put_in.text);
    folder->put_in = put_in;
    return good;
}

void folder_catch_up(struct folder *folder) {
    write_all_released(folder);
    if (!log_whole(folder))
        return;
    for (struct folder_held *held = folder->held; held != NULL; held = held->next)
        if (held->changed && !held->released && !write_changed(folder, held))
            return;
}

bool folder_checkpoint(struct folder *folder, struct error *error) {
    folder_catch_up(folder);
    bool behind = !folder_spent_write(folder);
    for (struct folder_held *held = folder->held; held != NULL; held = held->next)
        behind = behind || held->changed;
    if (behind)
        return fail(error, STATUS_IO,
                    "files of documents cannot be written now; what became of them is safe in the "
                    "spool's log");
    if (folder->unsynced.count > 0 && !folder_sync(folder, &folder->unsynced, error))
        return false;
    folder_paths_free(&folder->unsynced);
    return folder_spent_sync(folder, error) &&
           (folder->log_end == 0 || folder_log_empty(folder, error));
}
