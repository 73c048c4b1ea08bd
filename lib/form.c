#include "form.h"

#include "error.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

char *form_encode(const char *text) {
    static const char hex[] = "0123456789ABCDEF";
    char *coded = must_alloc(3 * strlen(text) + 1), *to = coded;
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
    return coded;
}

char *form_add(char *form, const char *name, const char *value) {
    if (value == NULL)
        return form;
    char *coded = form_encode(value);
    char *longer =
        must_format("%s%s%s=%s", form != NULL ? form : "", form != NULL ? "&" : "", name, coded);
    free(coded);
    free(form);
    return longer;
}
