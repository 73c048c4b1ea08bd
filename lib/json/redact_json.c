#include "json/redact_json.h"

#include "base/memory.h"
#include "base/redact.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>

static const char *const token_members[] = {"access_token", "refresh_token", "id_token"};

void redact_know_token(jv token) {
    for (size_t i = 0; i < sizeof token_members / sizeof *token_members; i++)
        redact_know(json_string(token, token_members[i]));
}

void redact_forget_token(jv token) {
    for (size_t i = 0; i < sizeof token_members / sizeof *token_members; i++)
        redact_forget(json_string(token, token_members[i]));
}

static jv redact_string(jv text) {
    size_t size = (size_t)jv_string_length_bytes(jv_copy(text));
    char *copy = must_alloc(size + 1);
    memcpy(copy, jv_string_value(text), size);
    size_t left = redact(copy, size);
    jv result = left == size && memcmp(copy, jv_string_value(text), size) == 0
                    ? jv_copy(text)
                    : jv_string_sized(copy, (int)left);
    free(copy);
    jv_free(text);
    return result;
}

jv redact_json(jv value) {
    if (!redact_is_needed())
        return value;
    jv result;
    switch (jv_get_kind(value)) {
    case JV_KIND_STRING:
        return redact_string(value);
    case JV_KIND_ARRAY:
        result = jv_array();
        jv_array_foreach(value, i, element) result = jv_array_append(result, redact_json(element));
        jv_free(value);
        return result;
    case JV_KIND_OBJECT:
        result = jv_object();
        jv_object_foreach(value, key, member) result =
            jv_object_set(result, redact_string(key), redact_json(member));
        jv_free(value);
        return result;
    default:
        return value;
    }
}
