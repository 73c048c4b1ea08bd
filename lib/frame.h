/* Bytes on their way between a process and its own copies: their number and a kind, which is not
 * negative, stand before them. */
#ifndef CIBA_FRAME_H
#define CIBA_FRAME_H

#include <stdbool.h>
#include <stddef.h>

/* False with errno set. */
bool frame_write(int fd, const void *bytes, size_t size, int kind);

/* The bytes, with a 0 after the last; the caller frees. NULL at the end. */
char *frame_read(int fd, size_t *size, int *kind);

#endif
