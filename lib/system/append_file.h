/* Files to which several processes append whole lines. */
#ifndef CIBA_SYSTEM_APPEND_FILE_H
#define CIBA_SYSTEM_APPEND_FILE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* Opens the file for appending, creates it if it is missing and `make` is set, and locks it (flock)
 * until it is closed; waits for other processes. Cuts off an incomplete last line that a crash or a
 * full disk left. Returns the descriptor, which the caller closes, or -1 and an error: 74, or 78 as
 * for durable_is_ours. */
int append_file_open(const char *path, bool make, struct error *error);

/* Appends the text, which must end with a newline, and syncs. All or nothing: on false and an error
 * with status 74 the file is unchanged. */
bool append_file_add(int fd, const char *path, const char *text, size_t size, struct error *error);

/* The last whole line without its newline, NULL if there is none; the caller frees. NULL and an
 * error with status 74 (else 0) if it cannot be read. */
char *append_file_last_line(int fd, const char *path, struct error *error);

#endif
