#include "json/json.h"

#include "base/text.h"
#include "base/utf8.h"
#include "json/number.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* True for the two escapes of a surrogate pair, and for any other escape; `text` is at the 'u'. */
static bool unicode_escape_valid(const char *text, size_t size, size_t *length) {
    unsigned long unit[2] = {0, 0};
    for (int i = 0; i < 2; i++) {
        char digits[5] = "";
        if (size < (size_t)(i * 6 + 5) || (i == 1 && memcmp(text + 5, "\\u", 2) != 0))
            return false;
        memcpy(digits, text + 1 + i * 6, 4);
        if (strspn(digits, "0123456789abcdefABCDEF") != 4)
            return false;
        unit[i] = strtoul(digits, NULL, 16);
        if (i == 0 && (unit[0] < 0xD800 || unit[0] > 0xDFFF)) {
            *length = 5;
            return true;
        }
    }
    *length = 11;
    return unit[0] < 0xDC00 && unit[1] >= 0xDC00 && unit[1] <= 0xDFFF;
}

/* The same for an escape of half a character. */
static bool is_half_escape(const char *text, size_t size, size_t *length) {
    *length = 5;
    return size >= 5 && strspn(text + 1, "0123456789abcdefABCDEF") >= 4;
}

/* Checks a string between its quotes. libjq would replace what is refused here by U+FFFD. */
static bool string_valid(const char *text, size_t size, bool unread, struct error *error) {
    if (!utf8_valid(text, size))
        return fail(error, STATUS_INPUT, "a string is not UTF-8");
    for (size_t i = 0, length; i < size; i++) {
        if (text[i] != '\\')
            continue;
        i++;
        if (text[i] == '\0' || strchr("\"\\/bfnrtu", text[i]) == NULL)
            return fail(error, STATUS_INPUT, "a string has an escape that is none: \\%c", text[i]);
        if (text[i] != 'u')
            continue;
        if (!unicode_escape_valid(text + i, size - i, &length) &&
            !(unread && is_half_escape(text + i, size - i, &length)))
            return fail(error, STATUS_INPUT, "a string has a \\u escape that is no character");
        i += length - 1;
    }
    return true;
}

/* Whether the number is a double, written with the 17 digits that tell it from all others. libjq
 * writes it with as few as that takes, and that is the same double. */
static bool is_written_double(const char *text) {
    char written[40];
    snprintf(written, sizeof written, "%.17g", strtod(text, NULL));
    return json_is_number(written, strlen(written)) && json_same_number(text, written);
}

/* Whether libjq returns the number unchanged; libjq itself is asked, because 1.6 only keeps
 * doubles. */
static bool number_survives(const char *text, size_t size) {
    size_t digits = 0, power = 0;
    for (size_t i = 0; i < size; i++) {
        digits += text[i] >= '0' && text[i] <= '9';
        if (text[i] == 'e' || text[i] == 'E')
            power = size - i - 1;
    }
    if (digits <= 15 && power <= 2) /* exact in every double */
        return true;
    char *written = must_format("%.*s", (int)size, text);
    jv parsed = jv_parse(written);
    char *kept = json_text(parsed);
    jv_free(parsed);
    bool same = json_is_number(kept, strlen(kept)) &&
                (json_same_number(written, kept) || is_written_double(written));
    free(written);
    free(kept);
    return same;
}

static bool literal_valid(const char *text, size_t size, bool unread, struct error *error) {
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i]) == size && memcmp(words[i], text, size) == 0)
            return true;
    int shown = size < 40 ? (int)size : 40;
    if (!json_is_number(text, size))
        return fail(error, STATUS_INPUT, "'%.*s' is not JSON", shown, text);
    if (unread || number_survives(text, size))
        return true;
    return fail(error, STATUS_INPUT,
                "the number %.*s would be rounded by the jq library in use; "
                "make it a string, or use jq 1.7 or later",
                shown, text);
}

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool open_container(struct json_scan *scan, bool is_object, struct error *error) {
    if (++scan->depth > JSON_DEPTH_LIMIT)
        return fail(error, STATUS_INPUT, "nested more than %d levels deep", JSON_DEPTH_LIMIT);
    if (++scan->containers > JSON_CONTAINERS_LIMIT && !scan->unread)
        return fail(error, STATUS_INPUT, "more than %d objects and arrays", JSON_CONTAINERS_LIMIT);
    scan->is_object[scan->depth] = is_object;
    scan->members_of[scan->depth] = 0;
    scan->expected = is_object ? JSON_KEY_OR_END : JSON_VALUE_OR_END;
    return true;
}

static bool add_member(struct json_scan *scan, struct error *error) {
    scan->members++;
    scan->squares += 2 * (size_t)scan->members_of[scan->depth]++ + 1;
    scan->expected = JSON_VALUE;
    return scan->unread || scan->squares <= (size_t)JSON_MEMBERS_LIMIT * JSON_MEMBERS_LIMIT ||
           fail(error, STATUS_INPUT,
                "an object has too many members (more than %d, or there are several such)",
                JSON_MEMBERS_LIMIT);
}

/* Scans one byte outside strings and literals that is not white space: RFC 8259 §2. */
static bool scan_structure(struct json_scan *scan, char c, struct error *error) {
    bool value = scan->expected == JSON_VALUE || scan->expected == JSON_VALUE_OR_END;
    bool key = scan->expected == JSON_KEY || scan->expected == JSON_KEY_OR_END;
    bool in_object = scan->depth > 0 && scan->is_object[scan->depth];
    bool end = scan->depth > 0 && scan->expected == JSON_COMMA_OR_END;
    scan->started = true;
    if (c == '"' && (value || key)) {
        scan->state = JSON_IN_STRING;
        scan->token = scan->at + 1;
    } else if ((c == '{' || c == '[') && value) {
        return open_container(scan, c == '{', error);
    } else if ((c == '}' && in_object && (end || scan->expected == JSON_KEY_OR_END)) ||
               (c == ']' && !in_object && (end || scan->expected == JSON_VALUE_OR_END))) {
        scan->depth--;
        scan->expected = JSON_COMMA_OR_END;
    } else if (c == ':' && scan->expected == JSON_COLON) {
        return add_member(scan, error);
    } else if (c == ',' && end) {
        scan->expected = in_object ? JSON_KEY : JSON_VALUE;
    } else if (value && strchr("{}[]:,\"", c) == NULL) {
        scan->state = JSON_IN_LITERAL;
        scan->token = scan->at;
    } else {
        return fail(error, STATUS_INPUT, "not JSON: '%c' where %s must be", c == '\0' ? ' ' : c,
                    value                          ? "a value"
                    : key                          ? "a member's name"
                    : scan->expected == JSON_COLON ? "a colon"
                    : in_object                    ? "a comma or }"
                                                   : "a comma or ]");
    }
    return true;
}

/* Checks the string or literal that ends before scan->at. */
static bool end_token(struct json_scan *scan, const char *text, struct error *error) {
    size_t size = scan->at - scan->token;
    bool is_key = scan->expected == JSON_KEY || scan->expected == JSON_KEY_OR_END;
    bool is_string = scan->state == JSON_IN_STRING;
    scan->state = JSON_BETWEEN;
    scan->expected = is_key ? JSON_COLON : JSON_COMMA_OR_END;
    return is_string ? string_valid(text + scan->token, size, scan->unread, error)
                     : literal_valid(text + scan->token, size, scan->unread, error);
}

static bool ends_literal(char c) {
    return is_space(c) || c == '\0' || strchr(",:[]{}\"", c) != NULL;
}

bool json_scan(struct json_scan *scan, const char *text, size_t size, struct error *error) {
    while (scan->at < size && !scan->complete) {
        char c = text[scan->at];
        if (scan->state == JSON_IN_LITERAL && ends_literal(c)) {
            if (!end_token(scan, text, error))
                return false;
            if (scan->depth == 0) {
                scan->complete = true;
                return true;
            }
        }
        if (scan->state == JSON_IN_ESCAPE) {
            scan->state = JSON_IN_STRING;
        } else if (scan->state == JSON_IN_STRING) {
            if (c == '\\')
                scan->state = JSON_IN_ESCAPE;
            else if (c == '"' && !end_token(scan, text, error))
                return false;
        } else if (scan->state == JSON_BETWEEN && !is_space(c) && !scan_structure(scan, c, error)) {
            return false;
        }
        scan->at++;
        scan->complete = scan->started && scan->depth == 0 && scan->state == JSON_BETWEEN;
    }
    return true;
}

static size_t count_members(jv value) {
    size_t count = 0;
    if (jv_get_kind(value) == JV_KIND_ARRAY) {
        jv_array_foreach(value, i, item) {
            count += count_members(item);
            jv_free(item);
        }
    } else if (jv_get_kind(value) == JV_KIND_OBJECT) {
        jv_object_foreach(value, key, item) {
            count += 1 + count_members(item);
            jv_free(key);
            jv_free(item);
        }
    }
    return count;
}

bool json_parse_scanned(const char *text, const struct json_scan *scan, jv *value,
                        struct error *error) {
    *value = jv_parse_sized(text, (int)scan->at);
    bool good = jv_is_valid(*value);
    if (!good)
        fail(error, STATUS_INPUT, "not JSON"); /* not reached after a successful scan */
    else if (count_members(*value) != scan->members)
        good = fail(error, STATUS_INPUT, "an object has the same member twice");
    if (!good) {
        jv_free(*value);
        *value = jv_invalid();
    }
    return good;
}

bool json_parse(const char *text, size_t size, jv *value, struct error *error) {
    struct json_scan scan = {0};
    *value = jv_invalid();
    if (size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) {
        text += 3;
        size -= 3;
    }
    if (size > JSON_SIZE_LIMIT)
        return fail(error, STATUS_INPUT, "larger than %d MiB", JSON_SIZE_LIMIT >> 20);
    if (!json_scan(&scan, text, size, error))
        return false;
    if (scan.state == JSON_IN_LITERAL && scan.depth == 0) {
        if (!end_token(&scan, text, error))
            return false;
        scan.complete = true;
    }
    for (size_t i = scan.at; i < size; i++)
        if (!is_space(text[i]))
            return fail(error, STATUS_INPUT, "text follows the JSON value");
    if (!scan.started)
        return fail(error, STATUS_INPUT, "empty");
    if (!scan.complete)
        return fail(error, STATUS_INPUT, "cut off: the JSON value does not end");
    return json_parse_scanned(text, &scan, value, error);
}

char *json_text(jv value) {
    /* libjq ends the process when it writes an invalid value. */
    jv text = jv_dump_string(jv_is_valid(value) ? jv_copy(value) : jv_null(), 0);
    char *copy = must_copy(jv_string_value(text));
    jv_free(text);
    return copy;
}

/* Adds the escape of JSON: of two halves from U+10000 on. */
static void add_escape(struct text *to, uint32_t character) {
    char escape[13];
    if (character < 0x10000)
        snprintf(escape, sizeof escape, "\\u%04x", (unsigned)character & 0xFFFF);
    else
        snprintf(escape, sizeof escape, "\\u%04x\\u%04x",
                 0xD800 + ((unsigned)(character - 0x10000) >> 10 & 0x3FF),
                 0xDC00 + ((unsigned)character & 0x3FF));
    text_add_string(to, escape);
}

/* The text with escapes for the characters that are not `good`. */
static char *escaped(const char *text, size_t size, bool good(uint32_t)) {
    struct text made = {0};
    uint32_t character;
    text_add_string(&made, "");
    for (size_t i = 0, length; i < size; i += length) {
        length = utf8_decode(text + i, size - i, &character);
        if (length == 0 || good(character)) {
            length = length > 0 ? length : 1;
            text_add(&made, text + i, length);
        } else {
            add_escape(&made, character);
        }
    }
    return made.text;
}

char *json_plain(const char *text, size_t size) {
    return escaped(text, size, utf8_plain);
}

char *json_visible(jv value) {
    char *text = json_text(value), *visible = escaped(text, strlen(text), utf8_visible);
    free(text);
    return visible;
}

jv json_get(jv object, const char *key) {
    if (jv_get_kind(object) != JV_KIND_OBJECT)
        return jv_invalid();
    return jv_object_get(jv_copy(object), jv_string(key));
}

jv json_array(jv object, const char *key) {
    jv array = json_get(object, key);
    if (jv_get_kind(array) == JV_KIND_ARRAY)
        return array;
    jv_free(array);
    return jv_array();
}

jv json_take(jv *object, const char *key) {
    jv value = json_get(*object, key);
    if (jv_is_valid(value))
        *object = json_set(*object, key, jv_null());
    return value;
}

jv json_take_array(jv *object, const char *key) {
    jv value = json_take(object, key);
    if (jv_get_kind(value) == JV_KIND_ARRAY)
        return value;
    jv_free(value);
    return jv_array();
}

jv json_set(jv object, const char *key, jv value) {
    if (jv_get_kind(object) == JV_KIND_OBJECT && jv_is_valid(value))
        return jv_object_set(object, jv_string(key), value);
    jv_free(value); /* libjq would end the process */
    return object;
}

jv json_set_string(jv object, const char *key, const char *text) {
    return text == NULL ? object : json_set(object, key, jv_string(text));
}

jv json_delete(jv object, const char *key) {
    if (jv_get_kind(object) == JV_KIND_OBJECT)
        return jv_object_delete(object, jv_string(key));
    return object;
}

bool json_has(jv object, const char *key) {
    jv value = json_get(object, key);
    jv_kind kind = jv_get_kind(value);
    jv_free(value);
    return kind != JV_KIND_INVALID && kind != JV_KIND_NULL;
}

bool json_names(jv object, const char *key) {
    jv value = json_get(object, key);
    bool valid = jv_is_valid(value);
    jv_free(value);
    return valid;
}

const char *json_value_string(jv value) {
    if (jv_get_kind(value) != JV_KIND_STRING)
        return NULL;
    const char *text = jv_string_value(value);
    return strlen(text) == (size_t)jv_string_length_bytes(jv_copy(value)) ? text : NULL;
}

const char *json_string(jv object, const char *key) {
    jv value = json_get(object, key);
    const char *text = json_value_string(value);
    jv_free(value); /* the object still holds it */
    return text;
}

bool json_is(jv object, const char *key, const char *text) {
    const char *value = json_string(object, key);
    return value != NULL && strcmp(value, text) == 0;
}

bool json_lists(jv array, const char *text) {
    bool found = false;
    if (jv_get_kind(array) != JV_KIND_ARRAY)
        return false;
    jv_array_foreach(array, i, one) {
        const char *item = json_value_string(one);
        found = found || (item != NULL && strcmp(item, text) == 0);
        jv_free(one);
    }
    return found;
}

bool json_number(jv object, const char *key, double *number) {
    jv value = json_get(object, key);
    bool is_number = jv_get_kind(value) == JV_KIND_NUMBER;
    if (is_number)
        *number = jv_number_value(value);
    jv_free(value);
    return is_number;
}

bool json_number_or_digits(jv object, const char *key, double *number) {
    const char *digits = json_string(object, key);
    if (digits == NULL)
        return json_number(object, key, number);
    if (*digits == '\0' || strspn(digits, "0123456789") != strlen(digits))
        return false;
    *number = strtod(digits, NULL);
    return true;
}

bool json_is_format(jv object, int format) {
    double found;
    return !json_names(object, "format") ||
           (json_number(object, "format", &found) && found == format);
}

bool json_equal(jv one, jv other) {
    return jv_equal(jv_copy(one), jv_copy(other)) != 0;
}
