#include "form.h"

#include "error.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* Writes the text encoded, and returns where it ends. */
static char *encode(char *to, const char *text) {
    static const char hex[] = "0123456789ABCDEF";
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (isalnum(c) || strchr("-._*", c) != NULL) {
            *to++ = *text;
        } else if (c == ' ') {
            *to++ = '+';
        } else {
            *to++ = '%';
            *to++ = hex[c >> 4];
            *to++ = hex[c & 15];
        }
    }
    *to = '\0';
    return to;
}

char *form_encode(const char *text) {
    char *coded = must_alloc(3 * strlen(text) + 1);
    encode(coded, text);
    return coded;
}

char *form_add(char *form, const char *name, const char *value) {
    if (value == NULL)
        return form;
    size_t used = form != NULL ? strlen(form) : 0, name_size = strlen(name);
    form = must_grow(form, used + name_size + 3 * strlen(value) + 3);
    char *to = form + used;
    if (used > 0)
        *to++ = '&';
    memcpy(to, name, name_size);
    to += name_size;
    *to++ = '=';
    encode(to, value);
    return form;
}
