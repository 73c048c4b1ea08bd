/* Allocation that does not fail: without memory the process ends with status 70 and a message. */
#ifndef CIBA_BASE_MEMORY_H
#define CIBA_BASE_MEMORY_H

#include "base/out_of_memory.h"

/* malloc, realloc, strdup and printf-to-memory that do not return NULL. The caller frees. */
void *must_alloc(unsigned long bytes);
void *must_grow(void *memory, unsigned long bytes);
char *must_copy(const char *text);
char *must_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
