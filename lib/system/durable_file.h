/* Durable files: complete and on the disk when a function returns, even after a crash. Written
 * under another name, synced, renamed, and the folder synced. All files are 0600, all folders
 * 0700. */
#ifndef CIBA_SYSTEM_DURABLE_FILE_H
#define CIBA_SYSTEM_DURABLE_FILE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* Whether the file or folder is ours and can be written, or can be created, judged by permissions
 * only. False and an error: 66, 74 or 78; otherwise the error's status is 0. */
bool durable_ready(const char *path, bool is_folder, struct error *error);

/* Creates the folder. An existing one must be ours (durable_is_ours) and no symbolic link. False
 * and an error: 74, or 78 if it is not ours. */
bool durable_folder(const char *path, struct error *error);

/* Whether the open file or folder belongs to this user or root and nobody else can write it, nor
 * read it if it is a file: what others can change is not ours. False and an error with status 78;
 * `path` is its name in messages. */
bool durable_is_ours(int fd, const char *path, struct error *error);

/* Whether the path still leads to the open file: it may be moved or removed while we wait for a
 * lock. */
bool durable_is_named(int fd, const char *path);

/* Opens a folder, which must be ours and no symbolic link. -1 and an error: 66 if it does not
 * exist, 74, or 78. */
int durable_open_folder(const char *path, struct error *error);

/* Reserves `size` more bytes at a file's end until they are written or durable_release gives them
 * back. Also true where the file system cannot reserve. False and an error with status 74 if the
 * disk or the user's quota is full; `path` is the file's name in messages. */
bool durable_reserve(int fd, const char *path, size_t size, struct error *error);
void durable_release(int fd);

/* Whether the file could grow by `size` bytes now; true if it is not a regular file, or if that is
 * unknown. */
bool durable_has_room(int fd, double size);

/* Creates a new file with these bytes, not yet durable. False and an error with status 74 if it
 * exists already or cannot be written; then no new file is left. */
bool durable_create(const char *path, const char *text, size_t size, struct error *error);

/* Replaces the content of `path` by these bytes, by way of `aside`, a new name on the same file
 * system. Sets its modification time to `modified` (seconds since 1970), 0 for now. False and an
 * error with status 74: then `path` is unchanged or, if only syncing the folder failed, has the new
 * content. */
bool durable_write(const char *aside, const char *path, const char *text, size_t size,
                   double modified, struct error *error);

/* Moves a file to another folder of the same file system and replaces a file that is there. False
 * and an error with status 74. */
bool durable_move(const char *from, const char *to, struct error *error);

/* Syncs the folder that a path is in. */
bool durable_sync_folder_of(const char *path, struct error *error);

/* Writes all the bytes. False with errno set. */
bool durable_write_all(int fd, const char *text, size_t size);

/* flock, retried after a signal. False with errno set. */
bool durable_lock(int fd, int how);

/* fsync, retried after a signal. False with errno set. */
bool durable_sync(int fd);

#endif
