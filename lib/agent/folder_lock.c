/* The locks of documents: lock/NAME is locked (flock) by the run that has the document, and says
 * which run that is. A lock that a run no longer needs is kept for its next document under a name
 * of the run's own, so that no file is made and removed for each document. */
#define _GNU_SOURCE /* renameat2 */
#include "agent/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_KEPT = 256 };

/* Whether it is moved; never over another, which may be somebody's. */
static bool move(const char *from, const char *to) {
#ifdef RENAME_NOREPLACE
    return renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0;
#else
    (void)from, (void)to;
    return false;
#endif
}

static char *kept_path(const struct folder *folder, size_t number) {
    return must_format("lock/%s.%zu", folder->run, number);
}

static void forget(struct folder *folder, const struct folder_lock *lock) {
    char *path = kept_path(folder, lock->number);
    unlink(path);
    close(lock->descriptor);
    free(path);
}

int folder_lock_again(struct folder *folder, const char *name) {
    if (folder->lock_count == 0)
        return -1;
    struct folder_lock lock = folder->locks[--folder->lock_count];
    char *from = kept_path(folder, lock.number), *to = folder_path("lock", name);
    char *document = folder_path("queue", name);
    int claim = -1;
    if (!move(from, to))
        folder->locks[folder->lock_count++] = lock; /* somebody else has it, or had it */
    else if (access(document, F_OK) == 0)
        claim = lock.descriptor;
    else if (move(to, from))
        folder->locks[folder->lock_count++] = lock;
    else
        agent_spool_release(name, lock.descriptor);
    free(from);
    free(to);
    free(document);
    return claim;
}

void folder_lock_keep(struct folder *folder, const char *name, int claim) {
    if (folder->lock_count < MOST_KEPT && !folder->lost) {
        struct folder_lock lock = {claim, ++folder->last_lock};
        char *from = folder_path("lock", name), *to = kept_path(folder, lock.number);
        bool kept = move(from, to);
        free(from);
        free(to);
        if (kept) {
            folder->locks = must_grow(folder->locks, (folder->lock_count + 1) * sizeof lock);
            folder->locks[folder->lock_count++] = lock;
            return;
        }
    }
    agent_spool_release(name, claim);
}

void folder_lock_free(struct folder *folder) {
    while (folder->lock_count > 0)
        forget(folder, &folder->locks[--folder->lock_count]);
    free(folder->locks);
    folder->locks = NULL;
}

void folder_lock_sweep(const char *run) {
    DIR *listing = opendir("lock");
    size_t size = strlen(run);
    for (struct dirent *entry; listing != NULL && (entry = readdir(listing)) != NULL;)
        if (strncmp(entry->d_name, run, size) == 0 && entry->d_name[size] == '.') {
            char *path = folder_path("lock", entry->d_name);
            unlink(path);
            free(path);
        }
    if (listing != NULL)
        closedir(listing);
}
