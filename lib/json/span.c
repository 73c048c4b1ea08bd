#include "json/span.h"

#include "json/json.h"

#include <jv.h>
#include <stdlib.h>
#include <string.h>

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Whether a string has a control character as it is: libjq reads that, and JSON does not have it.
 */
static bool has_control(const char *text, size_t size) {
    bool in_string = false;
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '"')
            in_string = !in_string;
        else if (in_string && (unsigned char)text[i] < 0x20)
            return true;
        else if (in_string && text[i] == '\\')
            i++;
    }
    return false;
}

bool json_span(const char *text, size_t size, struct json_span *value, struct error *error) {
    struct json_scan scan = {.unread = true};
    *value = (struct json_span){NULL, 0};
    while (size > 0 && is_space(*text))
        text++, size--;
    while (size > 0 && is_space(text[size - 1]))
        size--;
    if (size > JSON_SIZE_LIMIT)
        return fail(error, STATUS_INPUT, "larger than %d MiB", JSON_SIZE_LIMIT >> 20);
    if (size == 0 || (*text != '{' && *text != '['))
        return fail(error, STATUS_INPUT, "neither a JSON object nor an array");
    if (!json_scan(&scan, text, size, error))
        return false;
    if (!scan.complete)
        return fail(error, STATUS_INPUT, "cut off: the JSON value does not end");
    if (scan.at < size)
        return fail(error, STATUS_INPUT, "text follows the JSON value");
    if (has_control(text, size))
        return fail(error, STATUS_INPUT, "a string has a control character in it");
    *value = (struct json_span){text, size};
    return true;
}

bool json_span_is_object(struct json_span value) {
    return value.text != NULL && *value.text == '{';
}

bool json_span_is_array(struct json_span value) {
    return value.text != NULL && *value.text == '[';
}

/* What follows is about valid text: it ends where it must. */

static const char *skip_space(const char *at) {
    while (is_space(*at))
        at++;
    return at;
}

static const char *skip_string(const char *at) {
    for (at++; *at != '"'; at++)
        at += *at == '\\';
    return at + 1;
}

static const char *skip_container(const char *at) {
    int depth = 0;
    do {
        if (*at == '"') {
            at = skip_string(at);
            continue;
        }
        depth += *at == '{' || *at == '[' ? 1 : *at == '}' || *at == ']' ? -1 : 0;
        at++;
    } while (depth > 0);
    return at;
}

static const char *skip_value(const char *at) {
    if (*at == '"')
        return skip_string(at);
    if (*at == '{' || *at == '[')
        return skip_container(at);
    while (!is_space(*at) && strchr(",]}", *at) == NULL)
        at++;
    return at;
}

static struct json_span value_at(const char *at) {
    return (struct json_span){at, (size_t)(skip_value(at) - at)};
}

struct json_walk json_walk(struct json_span container) {
    struct json_walk walk = {.in_object = json_span_is_object(container)};
    if (walk.in_object || json_span_is_array(container)) {
        walk.at = container.text + 1;
        walk.end = container.text + container.size - 1;
    }
    return walk;
}

bool json_walk_next(struct json_walk *walk) {
    if (walk->at == walk->end)
        return false;
    const char *at = skip_space(walk->at);
    at = *at == ',' ? skip_space(at + 1) : at;
    if (at == walk->end) {
        walk->at = at;
        return false;
    }
    if (walk->in_object) {
        walk->key = value_at(at);
        at = skip_space(skip_string(at));
        at = skip_space(at + 1); /* behind the colon */
    }
    walk->value = value_at(at);
    walk->at = at + walk->value.size;
    return true;
}

char *json_span_copy(struct json_span value) {
    char *copy = must_alloc(value.size + 1);
    memcpy(copy, value.text, value.size);
    copy[value.size] = '\0';
    return copy;
}

char *json_span_string(struct json_span value) {
    if (value.text == NULL || *value.text != '"')
        return NULL;
    if (memchr(value.text, '\\', value.size) == NULL)
        return memchr(value.text, '\0', value.size) == NULL
                   ? json_span_copy((struct json_span){value.text + 1, value.size - 2})
                   : NULL;
    jv string = jv_parse_sized(value.text, (int)value.size);
    const char *text = json_value_string(string);
    char *copy = text != NULL ? must_copy(text) : NULL;
    jv_free(string);
    return copy;
}

bool json_span_names(struct json_span key, const char *name) {
    if (memchr(key.text, '\\', key.size) == NULL)
        return key.size == strlen(name) + 2 && memcmp(key.text + 1, name, key.size - 2) == 0;
    char *text = json_span_string(key);
    bool is = text != NULL && strcmp(text, name) == 0;
    free(text);
    return is;
}

struct json_span json_span_member(struct json_span object, const char *name) {
    struct json_walk walk = json_walk(object);
    while (walk.in_object && json_walk_next(&walk))
        if (json_span_names(walk.key, name))
            return walk.value;
    return (struct json_span){NULL, 0};
}

bool json_span_is(struct json_span value, const char *text) {
    return value.size == strlen(text) && memcmp(value.text, text, value.size) == 0;
}
