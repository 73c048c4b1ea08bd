#include "base/text.h"

#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void text_add(struct text *to, const char *bytes, size_t size) {
    if (to->size + size + 1 > to->room) {
        to->room = 2 * (to->size + size + 1);
        to->text = must_grow(to->text, to->room);
    }
    memcpy(to->text + to->size, bytes, size);
    to->size += size;
    to->text[to->size] = '\0';
}

void text_add_string(struct text *to, const char *string) {
    text_add(to, string, strlen(string));
}

char *text_list(const char *const *words, size_t count, const char *last) {
    struct text list = {NULL, 0, 0};
    text_add_string(&list, "");
    for (size_t i = 0; i < count; i++) {
        char *separator = i + 1 < count ? must_copy(", ") : must_format(" %s ", last);
        text_add_string(&list, i > 0 ? separator : "");
        text_add_string(&list, words[i]);
        free(separator);
    }
    return list.text;
}

void text_add_format(struct text *to, const char *format, ...) {
    char some[256];
    va_list values;
    va_start(values, format);
    int size = vsnprintf(some, sizeof some, format, values);
    va_end(values);
    if (size >= 0 && (size_t)size < sizeof some) {
        text_add(to, some, (size_t)size);
        return;
    }
    char *all = must_alloc((size_t)size + 1);
    va_start(values, format);
    vsnprintf(all, (size_t)size + 1, format, values);
    va_end(values);
    text_add_string(to, all);
    free(all);
}
