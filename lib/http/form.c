#include "http/form.h"

#include "base/error.h"
#include "json/json.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* Writes the text encoded, and returns its end. */
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

/* Decodes a name or a value; invalid if it is malformed. */
static jv decode(const char *text, size_t size) {
    char *plain = must_alloc(size + 1);
    size_t used = 0;
    bool good = true;
    for (size_t i = 0; i < size && good; i++) {
        if (text[i] == '%') {
            char digits[3] = {i + 1 < size ? text[i + 1] : ' ', i + 2 < size ? text[i + 2] : ' ',
                              0};
            good = isxdigit((unsigned char)digits[0]) && isxdigit((unsigned char)digits[1]);
            plain[used++] = (char)strtol(digits, NULL, 16);
            i += 2;
        } else {
            plain[used++] = (char)(text[i] == '+' ? ' ' : text[i]);
        }
    }
    jv decoded = good ? jv_string_sized(plain, (int)used) : jv_invalid();
    free(plain);
    return decoded;
}

bool form_parse(const char *text, size_t size, jv *form) {
    bool good = strlen(text) == size;
    *form = jv_object();
    for (const char *at = text; good && *at != '\0';) {
        size_t pair = strcspn(at, "&"), name = strcspn(at, "=&");
        jv key = decode(at, name);
        jv value = name < pair ? decode(at + name + 1, pair - name - 1) : jv_string("");
        good =
            jv_is_valid(key) && jv_is_valid(value) && !jv_object_has(jv_copy(*form), jv_copy(key));
        if (good)
            *form = jv_object_set(*form, jv_copy(key), jv_copy(value));
        jv_free(key);
        jv_free(value);
        at += pair + (at[pair] == '&');
    }
    if (good)
        return true;
    jv_free(*form);
    *form = jv_invalid();
    return false;
}
