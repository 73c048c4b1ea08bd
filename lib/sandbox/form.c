/* application/x-www-form-urlencoded, read strictly. */
#include "sandbox.h"

#include "json.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

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

bool form_parse(const struct sandbox_request *request, jv *form) {
    *form = jv_object();
    bool good = body_is(request, "application/x-www-form-urlencoded") &&
                strlen(request->body) == request->size;
    for (const char *at = request->body; good && *at != '\0';) {
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
