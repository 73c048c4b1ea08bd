/* Files that are whole and on the disk when a function returns, whatever happens in between:
 * written aside, synced, renamed, and the folder synced. All files are 0600, all folders 0700. */
#ifndef CIBA_DURABLE_H
#define CIBA_DURABLE_H

#include "error.h"

#include <stdbool.h>
#include <stddef.h>

/* Makes the folder unless it is there. False and an error with status 74. */
bool durable_folder(const char *path, struct error *error);

/* Makes a new file with these bytes, not yet to be relied on by others. False and an error with
 * status 74 if it is there already or cannot be written; then there is none. */
bool durable_create(const char *path, const char *text, size_t size, struct error *error);

/* Gives `path` these bytes, from `aside`, a new name on the same file system. `modified` becomes
 * its time of modification (seconds since 1970), 0 for now. False and an error with status 74: then
 * `path` is as it was, or, if only the folder could not be synced, as it was to become. */
bool durable_write(const char *aside, const char *path, const char *text, size_t size,
                   double modified, struct error *error);

/* Moves a file to another folder of the same file system, whose place there must not be of use to
 * anyone. False and an error with status 74. */
bool durable_move(const char *from, const char *to, struct error *error);

/* Syncs the folder that a path is in. */
bool durable_sync_folder_of(const char *path, struct error *error);

/* Writes all the bytes. False with errno set. */
bool durable_write_all(int fd, const char *text, size_t size);

/* flock, again where a signal came in between. False with errno set. */
bool durable_lock(int fd, int how);

/* fsync, again where a signal came in between. False with errno set. */
bool durable_sync(int fd);

#endif
