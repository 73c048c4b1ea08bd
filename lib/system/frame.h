/* Messages between a process and its copies: the bytes, preceded by their number and a kind, which
 * is not negative. */
#ifndef CIBA_SYSTEM_FRAME_H
#define CIBA_SYSTEM_FRAME_H

#include <stdbool.h>
#include <stddef.h>

/* False with errno set. */
bool frame_write(int fd, const void *bytes, size_t size, int kind);

/* The bytes, followed by a 0 byte; the caller frees. NULL at the end. */
char *frame_read(int fd, size_t *size, int *kind);

#endif
