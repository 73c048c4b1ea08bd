/* Files that several processes append whole lines to. */
#ifndef CIBA_APPENDED_H
#define CIBA_APPENDED_H

#include "error.h"

#include <stdbool.h>
#include <stddef.h>

/* Opens the file for appending, made if it is not there, and locks it (flock) until it is closed:
 * waits for other processes. What a crash or a full disk left of a last line without its end is cut
 * off. The descriptor, which the caller closes; -1 and an error with status 74. */
int appended_open(const char *path, struct error *error);

/* Appends the text, whose last character must be a newline, and syncs. All of it or nothing: false
 * and an error with status 74 if it cannot be, and then the file is as it was. */
bool appended_add(int fd, const char *path, const char *text, size_t size, struct error *error);

/* The last line without its newline, NULL if there is none; the caller frees. NULL and an error
 * with status 74 (else 0) if it cannot be read. */
char *appended_last_line(int fd, const char *path, struct error *error);

#endif
