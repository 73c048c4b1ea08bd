#include "model/answer_schema.h"

#include "base/memory.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>

/* What a keyword holds, and which API supports it. */
enum shape { PLAIN, SCHEMA, LIST, MAP, UNUSED };
static const struct keyword {
    const char *name;
    enum shape shape;
    bool strict, closed;
} keywords[] = {
    {"type", PLAIN, true, true},
    {"title", PLAIN, true, true},
    {"description", PLAIN, true, true},
    {"enum", PLAIN, true, true},
    {"const", PLAIN, true, true},
    {"required", PLAIN, true, true},
    {"$ref", PLAIN, true, true},
    {"properties", MAP, true, true},
    {"$defs", MAP, true, true},
    {"definitions", MAP, true, true},
    {"items", SCHEMA, true, true},
    {"anyOf", LIST, true, true},
    {"oneOf", LIST, false, true},
    {"allOf", LIST, false, true},
    {"default", PLAIN, true, false},
    {"pattern", PLAIN, true, false},
    {"minimum", PLAIN, true, false},
    {"maximum", PLAIN, true, false},
    {"exclusiveMinimum", PLAIN, true, false},
    {"exclusiveMaximum", PLAIN, true, false},
    {"multipleOf", PLAIN, true, false},
    {"minItems", PLAIN, true, false},
    {"maxItems", PLAIN, true, false},
    {"minLength", PLAIN, true, false},
    {"maxLength", PLAIN, true, false},
    {"additionalProperties", UNUSED, true, true}, /* see close_object */
    {"$schema", UNUSED, true, true},
    {"$id", UNUSED, true, true},
    {"$comment", UNUSED, true, true},
    {"examples", UNUSED, true, true},
};

struct conversion {
    bool strict; /* else closed */
    bool good;
};

static jv convert(struct conversion *to, jv schema);

/* The formats that both support. */
static bool is_known_format(jv value) {
    static const char *const names[] = {"date-time", "time", "date", "duration", "email",
                                        "hostname",  "ipv4", "ipv6", "uuid"};
    const char *format = json_value_string(value);
    for (size_t i = 0; format != NULL && i < sizeof names / sizeof *names; i++)
        if (strcmp(format, names[i]) == 0)
            return true;
    return false;
}

static const struct keyword *find_keyword(const char *name, jv value) {
    static const struct keyword format = {"format", PLAIN, true, true};
    if (strcmp(name, "format") == 0)
        return is_known_format(value) ? &format : NULL;
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++)
        if (strcmp(keywords[i].name, name) == 0)
            return &keywords[i];
    return NULL;
}

static jv convert_list(struct conversion *to, jv list) {
    jv made = jv_array();
    to->good = to->good && jv_get_kind(list) == JV_KIND_ARRAY;
    if (to->good) {
        jv_array_foreach(list, i, schema) {
            made = jv_array_append(made, convert(to, schema));
            jv_free(schema);
        }
    }
    return made;
}

static jv convert_map(struct conversion *to, jv map) {
    jv made = jv_object();
    to->good = to->good && jv_get_kind(map) == JV_KIND_OBJECT;
    if (to->good) {
        jv_object_foreach(map, key, schema) {
            made = jv_object_set(made, key, convert(to, schema));
            jv_free(schema);
        }
    }
    return made;
}

static bool is_object_type(jv schema) {
    jv type = json_get(schema, "type");
    bool is = json_has(schema, "properties") || json_is(schema, "type", "object") ||
              json_lists(type, "object");
    jv_free(type);
    return is;
}

/* Closes an object: its members are all that it has. Takes `made`. */
static jv close_object(struct conversion *to, jv made, jv schema) {
    jv others = json_get(schema, "additionalProperties"), names = json_get(schema, "properties");
    jv required = json_get(schema, "required");
    to->good = to->good && jv_get_kind(names) == JV_KIND_OBJECT && json_has(schema, "type") &&
               (!jv_is_valid(others) || jv_get_kind(others) == JV_KIND_FALSE);
    if (to->good && to->strict) {
        jv_object_foreach(names, key, value) {
            to->good = to->good && json_lists(required, jv_string_value(key));
            jv_free(key);
            jv_free(value);
        }
    }
    jv_free(others);
    jv_free(names);
    jv_free(required);
    return json_set(made, "additionalProperties", jv_false());
}

static bool says_a_type(jv schema) {
    static const char *const names[] = {"type", "anyOf", "oneOf", "allOf", "enum", "const", "$ref"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (json_has(schema, names[i]))
            return true;
    return false;
}

/* Adds what a keyword says to `made`, or to `left` what cannot be said. Takes neither of both. */
static void add_keyword(struct conversion *to, const char *name, jv value, jv *made, jv *left) {
    const struct keyword *row = find_keyword(name, value);
    bool known = row != NULL && (to->strict ? row->strict : row->closed);
    if (!known && to->strict)
        to->good = false;
    else if (!known)
        *left = json_set(*left, name, jv_copy(value));
    else if (row->shape == PLAIN)
        *made = json_set(*made, name, jv_copy(value));
    else if (row->shape == SCHEMA)
        *made = json_set(*made, name, convert(to, value));
    else if (row->shape == MAP)
        *made = json_set(*made, name, convert_map(to, value));
    else if (row->shape == LIST)
        *made =
            json_set(*made, strcmp(name, "oneOf") == 0 ? "anyOf" : name, convert_list(to, value));
}

/* What could not be said becomes words of the description. Takes both. */
static jv tell_left(jv made, jv left) {
    if (jv_object_length(jv_copy(left)) > 0) {
        const char *before = json_string(made, "description");
        char *rest = json_text(left), *words = must_format("%s%s%s", before != NULL ? before : "",
                                                           before != NULL ? "\n" : "", rest);
        made = json_set_string(made, "description", words);
        free(rest);
        free(words);
    }
    jv_free(left);
    return made;
}

static jv convert(struct conversion *to, jv schema) {
    jv made = jv_object(), left = jv_object();
    to->good = to->good && jv_get_kind(schema) == JV_KIND_OBJECT && says_a_type(schema);
    if (to->good) {
        jv_object_foreach(schema, key, value) {
            add_keyword(to, jv_string_value(key), value, &made, &left);
            jv_free(key);
            jv_free(value);
        }
        if (is_object_type(schema))
            made = close_object(to, made, schema);
    }
    return tell_left(made, left);
}

jv answer_schema_strict(jv schema) {
    struct conversion to = {.strict = true, .good = true};
    jv made = convert(&to, schema);
    if (to.good && json_is(schema, "type", "object") && !json_has(schema, "anyOf"))
        return made;
    jv_free(made);
    return jv_invalid();
}

jv answer_schema_closed(jv schema) {
    struct conversion to = {.strict = false, .good = true};
    jv made = convert(&to, schema);
    if (to.good)
        return made;
    jv_free(made);
    return jv_invalid();
}

jv answer_schema_format(jv schema, bool strict) {
    jv made = strict ? answer_schema_strict(schema) : jv_invalid();
    bool is_strict = jv_is_valid(made);
    if (!is_strict)
        jv_free(made);
    jv format = json_set_string(jv_object(), "name", "answer");
    format = json_set(format, "schema", is_strict ? made : jv_copy(schema));
    return json_set(format, "strict", is_strict ? jv_true() : jv_false());
}

char *answer_schema_words(jv schema) {
    char *text = json_text(schema);
    char *words =
        must_format("Answer with JSON alone, without any words around it or a fence, that "
                    "fits this JSON Schema: %s",
                    text);
    free(text);
    return words;
}
