/* A text that grows. */
#ifndef CIBA_TEXT_H
#define CIBA_TEXT_H

#include <stddef.h>

/* Zeroed it is empty, and `text` NULL until something is added; then with a 0 byte after the last.
 * The owner frees `text`. */
struct text {
    char *text;
    size_t size, room;
};

void text_add(struct text *to, const char *bytes, size_t size);
void text_add_string(struct text *to, const char *string);

#endif
