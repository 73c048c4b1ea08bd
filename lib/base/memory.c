#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *must_alloc(unsigned long bytes) {
    void *memory = calloc(1, bytes);
    if (memory == NULL)
        out_of_memory();
    return memory;
}

void *must_grow(void *memory, unsigned long bytes) {
    void *grown = realloc(memory, bytes);
    if (grown == NULL)
        out_of_memory();
    return grown;
}

char *must_copy(const char *text) {
    char *copy = strdup(text);
    if (copy == NULL)
        out_of_memory();
    return copy;
}

char *must_format(const char *format, ...) {
    va_list list;
    va_start(list, format);
    int size = vsnprintf(NULL, 0, format, list);
    va_end(list);
    if (size < 0)
        out_of_memory();
    char *text = must_alloc((size_t)size + 1);
    va_start(list, format);
    vsnprintf(text, (size_t)size + 1, format, list);
    va_end(list);
    return text;
}
