/* The JSON Canonicalization Scheme, RFC 8785: the input of JSON digests. */
#include "json/json.h"

#include "base/text.h"
#include "base/utf8.h"
#include "json/number.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct output {
    struct text to;
    bool in_order; /* keep the members' order */
};

static void put_text(struct output *out, const char *text) {
    text_add_string(&out->to, text);
}

/* §3.2.2.2: the two-character escapes, \u00xx in lower case for other controls, all else as it is.
 */
static void put_string(struct output *out, jv string) {
    static const char named[] = "\b\t\n\f\r\"\\", letters[] = "btnfr\"\\";
    const char *text = jv_string_value(string);
    size_t size = (size_t)jv_string_length_bytes(jv_copy(string));
    put_text(out, "\"");
    for (size_t i = 0; i < size; i++) {
        const char *escape = text[i] == '\0' ? NULL : strchr(named, text[i]);
        char code[7];
        if (escape != NULL)
            snprintf(code, sizeof code, "\\%c", letters[escape - named]);
        else if ((unsigned char)text[i] < 0x20)
            snprintf(code, sizeof code, "\\u%04x", (unsigned)text[i]);
        else
            snprintf(code, sizeof code, "%c", text[i]);
        put_text(out, code);
    }
    put_text(out, "\"");
}

static bool put_number(struct output *out, jv value, struct error *error) {
    char text[NUMBER_TEXT_SIZE], *written = json_text(value);
    bool good = json_number_text(jv_number_value(value), written, text, error);
    if (good)
        put_text(out, text);
    free(written);
    return good;
}

/* §3.2.3: by UTF-16 code units, where a character above U+FFFF begins with 0xD800 to 0xDBFF. */
static int compare_keys(const void *one, const void *other) {
    const char *a = jv_string_value(*(const jv *)one), *b = jv_string_value(*(const jv *)other);
    size_t a_size = (size_t)jv_string_length_bytes(jv_copy(*(const jv *)one));
    size_t b_size = (size_t)jv_string_length_bytes(jv_copy(*(const jv *)other));
    while (a_size > 0 && b_size > 0) {
        uint32_t x, y;
        size_t x_size = utf8_decode(a, a_size, &x), y_size = utf8_decode(b, b_size, &y);
        if (x != y) {
            bool only_one_is_pair = (x > 0xFFFF) != (y > 0xFFFF);
            uint32_t x_unit = only_one_is_pair && x > 0xFFFF ? 0xD800 : x;
            uint32_t y_unit = only_one_is_pair && y > 0xFFFF ? 0xD800 : y;
            return x_unit < y_unit ? -1 : 1;
        }
        a += x_size, a_size -= x_size;
        b += y_size, b_size -= y_size;
    }
    return a_size > 0 ? 1 : b_size > 0 ? -1 : 0;
}

static bool put_value(struct output *out, jv value, struct error *error);

static bool put_object(struct output *out, jv object, struct error *error) {
    jv keys = jv_keys_unsorted(jv_copy(object));
    size_t count = (size_t)jv_array_length(jv_copy(keys));
    jv *sorted = must_alloc((count + 1) * sizeof *sorted);
    for (size_t i = 0; i < count; i++)
        sorted[i] = jv_array_get(jv_copy(keys), (int)i);
    jv_free(keys);
    if (!out->in_order)
        qsort(sorted, count, sizeof *sorted, compare_keys);
    bool good = true;
    put_text(out, "{");
    for (size_t i = 0; i < count; i++) {
        jv member = jv_object_get(jv_copy(object), jv_copy(sorted[i]));
        if (i > 0)
            put_text(out, ",");
        put_string(out, sorted[i]);
        put_text(out, ":");
        good = good && put_value(out, member, error);
        jv_free(member);
        jv_free(sorted[i]);
    }
    put_text(out, "}");
    free(sorted);
    return good;
}

static bool put_array(struct output *out, jv array, struct error *error) {
    bool good = true;
    put_text(out, "[");
    jv_array_foreach(array, i, item) {
        if (i > 0)
            put_text(out, ",");
        good = good && put_value(out, item, error);
        jv_free(item);
    }
    put_text(out, "]");
    return good;
}

static bool put_value(struct output *out, jv value, struct error *error) {
    switch (jv_get_kind(value)) {
    case JV_KIND_OBJECT:
        return put_object(out, value, error);
    case JV_KIND_ARRAY:
        return put_array(out, value, error);
    case JV_KIND_STRING:
        put_string(out, value);
        return true;
    case JV_KIND_NUMBER:
        return put_number(out, value, error);
    case JV_KIND_TRUE:
        put_text(out, "true");
        return true;
    case JV_KIND_FALSE:
        put_text(out, "false");
        return true;
    case JV_KIND_NULL:
    case JV_KIND_INVALID:
        break;
    }
    put_text(out, "null");
    return true;
}

static char *write_value(jv value, bool in_order, struct error *error) {
    struct output out = {.in_order = in_order};
    if (put_value(&out, value, error))
        return out.to.text;
    free(out.to.text);
    return NULL;
}

char *json_canonical(jv value, struct error *error) {
    return write_value(value, false, error);
}

char *json_exact(jv value, struct error *error) {
    return write_value(value, true, error);
}

jv json_shown(jv value, struct error *error) {
    if (jv_get_kind(value) == JV_KIND_STRING)
        return jv_copy(value);
    char *text = json_canonical(value, error);
    jv shown = text != NULL ? jv_string(text) : jv_invalid();
    free(text);
    return shown;
}

/* A number that libjq prints as RFC 8785 does: a literal that libjq keeps (1.7 and later) if it
 * prints the same, else a double. */
static jv normal_number(jv number, struct error *error) {
    char *text = json_canonical(number, error);
    if (text == NULL)
        return jv_invalid();
    jv literal = jv_parse(text);
    char *written = json_text(literal);
    if (strcmp(written, text) != 0) {
        jv_free(literal);
        literal = jv_number(jv_number_value(number));
    }
    free(text);
    free(written);
    return literal;
}

static jv normal_array(jv array, struct error *error) {
    jv all = jv_array();
    jv_array_foreach(array, i, item) {
        jv normal = jv_is_valid(all) ? json_normal(item, error) : jv_invalid();
        jv_free(item);
        if (jv_is_valid(normal)) {
            all = jv_array_append(all, normal);
        } else {
            jv_free(all);
            all = jv_invalid();
        }
    }
    return all;
}

static jv normal_object(jv object, struct error *error) {
    jv all = jv_object();
    jv_object_foreach(object, key, member) {
        jv normal = jv_is_valid(all) ? json_normal(member, error) : jv_invalid();
        jv_free(member);
        if (jv_is_valid(normal)) {
            all = jv_object_set(all, key, normal);
        } else {
            jv_free(key);
            jv_free(all);
            all = jv_invalid();
        }
    }
    return all;
}

jv json_normal(jv value, struct error *error) {
    switch (jv_get_kind(value)) {
    case JV_KIND_NUMBER:
        return normal_number(value, error);
    case JV_KIND_ARRAY:
        return normal_array(value, error);
    case JV_KIND_OBJECT:
        return normal_object(value, error);
    default:
        return jv_copy(value);
    }
}
