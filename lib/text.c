#include "text.h"

#include "error.h"

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
