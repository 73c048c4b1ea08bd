/* A text buffer that grows. */
#ifndef CIBA_BASE_TEXT_H
#define CIBA_BASE_TEXT_H

#include <stddef.h>

/* Zeroed: empty, and `text` is NULL. Once something is added, `text` ends with a 0 byte. The owner
 * frees `text`. */
struct text {
    char *text;
    size_t size, room;
};

void text_add(struct text *to, const char *bytes, size_t size);
void text_add_string(struct text *to, const char *string);
void text_add_format(struct text *to, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* "a, b and c", where `last` is the word before the last item; the caller frees. */
char *text_list(const char *const *words, size_t count, const char *last);

#endif
