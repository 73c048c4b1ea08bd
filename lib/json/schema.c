#include "json/schema.h"

#include "base/clock.h"
#include "json/jq_template.h"
#include "json/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    DEPTH_LIMIT = 100, /* of nested schemas: a $ref may lead back to itself */
    PATTERN_WORK = 20, /* counts as that many values */
    ORDERED_STEP = 64, /* bytes to be sorted that count as one value */
    STRING_STEP = 4096 /* bytes of a string that count as one value */
};

/* The state of checking a value. */
struct checking {
    jv root; /* the schema */
    double deadline;
    long work;
    struct template *matches; /* created for the first pattern */
    bool undecided;           /* undecidable, therefore not allowed, whatever else holds */
    struct error why;
};

/* The current place in the schema and in the value. */
struct place {
    struct checking *checking;
    int depth;
    const struct place *parent;
    const char *name; /* the member's name, NULL for an item */
    int index;
};

static bool check(jv schema, jv value, const struct place *place, struct error *error);

static void write_path(const struct place *place, char *text, size_t size) {
    size_t used = 0;
    if (place->parent != NULL) {
        write_path(place->parent, text, size);
        used = strlen(text);
    } else {
        text[0] = '\0';
    }
    if (place->name != NULL)
        snprintf(text + used, size - used, "%s%.60s", used > 0 ? "." : "", place->name);
    else if (place->index >= 0)
        snprintf(text + used, size - used, "[%d]", place->index);
}

static bool refuse(const struct place *place, struct error *error, const char *what,
                   const char *detail) {
    char path[300];
    write_path(place, path, sizeof path);
    return fail(error, STATUS_INPUT, "%s%s%s%.300s", path, path[0] ? ": " : "", what, detail);
}

/* Ends the check: what cannot be checked is not allowed, under `not` and `anyOf` too. */
static bool give_up(const struct place *place, const char *what, const char *detail) {
    struct checking *checking = place->checking;
    if (!checking->undecided)
        refuse(place, &checking->why, what, detail);
    checking->undecided = true;
    return false;
}

/* Whether that much more work is allowed. */
static bool may_work(const struct place *place, long amount) {
    struct checking *checking = place->checking;
    checking->work += amount;
    return checking->work <= SCHEMA_WORK_LIMIT ||
           give_up(place, "is too much to be checked; give less", "");
}

static bool is_type(jv value, const char *type) {
    jv_kind kind = jv_get_kind(value);
    if (strcmp(type, "integer") == 0)
        return kind == JV_KIND_NUMBER && jv_number_value(value) == floor(jv_number_value(value));
    if (strcmp(type, "boolean") == 0)
        return kind == JV_KIND_TRUE || kind == JV_KIND_FALSE;
    return strcmp(jv_kind_name(kind), type) == 0;
}

static bool check_type(jv schema, jv value, const struct place *place, struct error *error) {
    jv type = json_get(schema, "type");
    bool good = !jv_is_valid(type);
    if (jv_get_kind(type) == JV_KIND_STRING)
        good = is_type(value, jv_string_value(type));
    if (jv_get_kind(type) == JV_KIND_ARRAY) {
        jv_array_foreach(type, i, one) {
            good = good ||
                   (jv_get_kind(one) == JV_KIND_STRING && is_type(value, jv_string_value(one)));
            jv_free(one);
        }
    }
    char *wanted = good ? NULL : json_text(type);
    jv_free(type);
    if (!good)
        refuse(place, error, "must be of type ", wanted);
    free(wanted);
    return good;
}

static bool check_values(jv schema, jv value, const struct place *place, struct error *error) {
    jv choices = json_get(schema, "enum"), constant = json_get(schema, "const");
    bool good = !jv_is_valid(constant) || json_equal(constant, value);
    if (good && jv_get_kind(choices) == JV_KIND_ARRAY) {
        bool found = !may_work(place, jv_array_length(jv_copy(choices)));
        jv_array_foreach(choices, i, choice) {
            found = found || json_equal(choice, value);
            jv_free(choice);
        }
        good = found;
    }
    char *wanted = good ? NULL : json_text(jv_is_valid(constant) ? constant : choices);
    jv_free(choices);
    jv_free(constant);
    if (!good)
        refuse(place, error, "must be one of ", wanted);
    free(wanted);
    return good;
}

/* One bound: `amount` of the value against a keyword. */
static bool check_bound(jv schema, const char *keyword, double amount, char comparison,
                        const char *what, const struct place *place, struct error *error) {
    double bound;
    char detail[60];
    if (!json_number(schema, keyword, &bound))
        return true;
    bool good = comparison == '>'   ? amount >= bound
                : comparison == '<' ? amount <= bound
                : comparison == ')' ? amount > bound
                : comparison == '(' ? amount < bound
                                    : fmod(amount, bound) == 0;
    snprintf(detail, sizeof detail, " %s is %.17g", keyword, bound);
    return good || refuse(place, error, what, detail);
}

static bool check_pattern(jv schema, jv value, const struct place *place, struct error *error) {
    const char *pattern = json_string(schema, "pattern");
    if (pattern == NULL)
        return true;
    struct checking *checking = place->checking;
    if (!may_work(place, PATTERN_WORK))
        return false;
    if (jv_string_length_bytes(jv_copy(value)) > SCHEMA_PATTERN_LIMIT)
        return give_up(place, "is too long to be checked by its pattern", "");
    if (clock_elapsed() >= checking->deadline)
        return give_up(place, "could not be checked in time", "");
    struct error why;
    if (checking->matches == NULL)
        checking->matches = template_filter(". as $i | $i.text | test($i.pattern)", &why);
    jv input = json_set_string(json_set(jv_object(), "text", jv_copy(value)), "pattern", pattern);
    jv verdict = jv_invalid();
    bool ran = checking->matches != NULL && template_run(checking->matches, input, &verdict, &why);
    bool good = ran && jv_get_kind(verdict) == JV_KIND_TRUE;
    jv_free(verdict);
    jv_free(input);
    if (!ran)
        return give_up(place, "its pattern cannot be used: ", why.text);
    return good || refuse(place, error, "must match the pattern ", pattern);
}

/* All items must differ. They are sorted, so that equal ones are neighbours. */
static bool check_unique(jv value, const struct place *place, struct error *error) {
    char *text = json_text(value);
    size_t size = strlen(text);
    free(text);
    if (!may_work(place, (long)size / ORDERED_STEP))
        return false;
    jv sorted = jv_sort(jv_copy(value), jv_copy(value)), twice = jv_invalid(),
       before = jv_invalid();
    jv_array_foreach(sorted, i, item) {
        if (i > 0 && json_equal(before, item)) {
            jv_free(twice);
            twice = jv_copy(item);
        }
        jv_free(before);
        before = item;
    }
    jv_free(before);
    jv_free(sorted);
    int last = -1;
    jv_array_foreach(value, i, item) {
        if (jv_is_valid(twice) && json_equal(item, twice))
            last = i;
        jv_free(item);
    }
    bool good = !jv_is_valid(twice);
    struct place inner = {place->checking, place->depth, place, NULL, last};
    jv_free(twice);
    return good || refuse(&inner, error, "is there twice", "");
}

static bool check_items(jv schema, jv value, const struct place *place, struct error *error) {
    jv items = json_get(schema, "items"), prefix = json_get(schema, "prefixItems");
    bool has_prefix = jv_get_kind(prefix) == JV_KIND_ARRAY;
    int fixed = has_prefix ? jv_array_length(jv_copy(prefix)) : 0;
    jv wants_unique = json_get(schema, "uniqueItems");
    bool unique = jv_get_kind(wants_unique) == JV_KIND_TRUE;
    bool good = may_work(place, jv_array_length(jv_copy(value)));
    jv_free(wants_unique);
    jv_array_foreach(value, i, item) {
        struct place inner = {place->checking, place->depth, place, NULL, i};
        jv rule = i < fixed ? jv_array_get(jv_copy(prefix), i) : jv_copy(items);
        good = good && (!jv_is_valid(rule) || check(rule, item, &inner, error));
        jv_free(rule);
        jv_free(item);
    }
    jv_free(items);
    jv_free(prefix);
    return good && (!unique || check_unique(value, place, error));
}

static bool check_members(jv schema, jv value, const struct place *place, struct error *error) {
    jv properties = json_get(schema, "properties"),
       others = json_get(schema, "additionalProperties");
    jv required = json_get(schema, "required");
    bool needs = jv_get_kind(required) == JV_KIND_ARRAY;
    bool good = may_work(place, jv_object_length(jv_copy(value)) +
                                    (needs ? jv_array_length(jv_copy(required)) : 0));
    if (good && needs) {
        jv_array_foreach(required, i, name) {
            if (good && jv_get_kind(name) == JV_KIND_STRING &&
                !jv_object_has(jv_copy(value), jv_copy(name)))
                good = refuse(place, error, "lacks the required ", jv_string_value(name));
            jv_free(name);
        }
    }
    jv_object_foreach(value, key, member) {
        struct place inner = {place->checking, place->depth, place, jv_string_value(key), -1};
        jv rule = json_get(properties, jv_string_value(key));
        if (!jv_is_valid(rule))
            rule = jv_copy(others);
        if (good && jv_get_kind(rule) == JV_KIND_FALSE)
            good = refuse(&inner, error, "is not an argument of this tool", "");
        good = good && (!jv_is_valid(rule) || check(rule, member, &inner, error));
        jv_free(rule);
        jv_free(key);
        jv_free(member);
    }
    jv_free(properties);
    jv_free(others);
    jv_free(required);
    return good;
}

/* anyOf, oneOf, allOf: how many of the schemas allow the value; -1 without the keyword. */
static int count_allowing(jv schema, const char *keyword, jv value, const struct place *place,
                          int *all) {
    jv schemas = json_get(schema, keyword);
    struct error ignored;
    int count = jv_get_kind(schemas) == JV_KIND_ARRAY ? 0 : -1;
    *all = 0;
    if (count == 0) {
        jv_array_foreach(schemas, i, one) {
            count += check(one, value, place, &ignored);
            *all += 1;
            jv_free(one);
        }
    }
    jv_free(schemas);
    return count;
}

static bool check_combinations(jv schema, jv value, const struct place *place,
                               struct error *error) {
    int all;
    if (count_allowing(schema, "anyOf", value, place, &all) == 0)
        return refuse(place, error, "fits none of anyOf", "");
    int one = count_allowing(schema, "oneOf", value, place, &all);
    if (one >= 0 && one != 1)
        return refuse(place, error, "must fit exactly one of oneOf", "");
    int fitting = count_allowing(schema, "allOf", value, place, &all);
    if (fitting >= 0 && fitting != all)
        return refuse(place, error, "does not fit all of allOf", "");
    jv opposite = json_get(schema, "not");
    struct error ignored;
    bool good = !jv_is_valid(opposite) || !check(opposite, value, place, &ignored);
    jv_free(opposite);
    return good || refuse(place, error, "is what 'not' excludes", "");
}

/* The schema at "#", "#/a/b" (RFC 6901); invalid if there is none. */
static jv resolve(jv root, const char *reference) {
    if (*reference != '#')
        return jv_invalid();
    jv found = jv_copy(root);
    for (reference++; *reference == '/';) {
        char name[200];
        size_t used = 0;
        for (reference++; *reference != '\0' && *reference != '/' && used + 1 < sizeof name;
             reference++) {
            bool tilde = *reference == '~' && (reference[1] == '0' || reference[1] == '1');
            name[used++] = (char)(!tilde ? *reference : reference[1] == '0' ? '~' : '/');
            reference += tilde;
        }
        name[used] = '\0';
        jv next = json_get(found, name);
        jv_free(found);
        found = next;
    }
    return found;
}

static bool check_reference(jv schema, jv value, const struct place *place, struct error *error) {
    const char *reference = json_string(schema, "$ref");
    if (reference == NULL)
        return true;
    jv target = resolve(place->checking->root, reference);
    bool good = jv_is_valid(target)
                    ? check(target, value, place, error)
                    : give_up(place, "its schema has a $ref to nothing: ", reference);
    jv_free(target);
    return good;
}

static bool check_size(jv schema, jv value, const struct place *place, struct error *error) {
    switch (jv_get_kind(value)) {
    case JV_KIND_NUMBER: {
        double n = jv_number_value(value);
        return check_bound(schema, "minimum", n, '>', "is too small:", place, error) &&
               check_bound(schema, "maximum", n, '<', "is too large:", place, error) &&
               check_bound(schema, "exclusiveMinimum", n, ')', "is too small:", place, error) &&
               check_bound(schema, "exclusiveMaximum", n, '(', "is too large:", place, error) &&
               check_bound(schema, "multipleOf", n, '%', "does not fit:", place, error);
    }
    case JV_KIND_STRING: {
        if (!may_work(place, jv_string_length_bytes(jv_copy(value)) / STRING_STEP))
            return false;
        double n = jv_string_length_codepoints(jv_copy(value));
        return check_bound(schema, "minLength", n, '>', "is too short:", place, error) &&
               check_bound(schema, "maxLength", n, '<', "is too long:", place, error) &&
               check_pattern(schema, value, place, error);
    }
    case JV_KIND_ARRAY: {
        double n = jv_array_length(jv_copy(value));
        return check_bound(schema, "minItems", n, '>', "has too few items:", place, error) &&
               check_bound(schema, "maxItems", n, '<', "has too many items:", place, error) &&
               check_items(schema, value, place, error);
    }
    case JV_KIND_OBJECT: {
        double n = jv_object_length(jv_copy(value));
        return check_bound(schema, "minProperties", n, '>', "has too few members:", place, error) &&
               check_bound(schema, "maxProperties", n, '<', "has too many members:", place,
                           error) &&
               check_members(schema, value, place, error);
    }
    default:
        return true;
    }
}

static bool check(jv schema, jv value, const struct place *outer, struct error *error) {
    struct place place = *outer;
    if (jv_get_kind(schema) == JV_KIND_FALSE)
        return refuse(outer, error, "is not allowed", "");
    if (jv_get_kind(schema) != JV_KIND_OBJECT)
        return true;
    if (++place.depth > DEPTH_LIMIT)
        return give_up(outer, "its schema is too deep", "");
    if (place.checking->undecided || !may_work(&place, 1))
        return false;
    return check_type(schema, value, &place, error) && check_values(schema, value, &place, error) &&
           check_size(schema, value, &place, error) &&
           check_combinations(schema, value, &place, error) &&
           check_reference(schema, value, &place, error);
}

bool schema_allows(jv schema, jv value, double deadline, struct error *error) {
    struct checking checking = {.root = schema, .deadline = deadline};
    struct place root = {&checking, 0, NULL, NULL, -1};
    bool good = check(schema, value, &root, error);
    template_free(checking.matches);
    if (checking.undecided)
        *error = checking.why;
    return good && !checking.undecided;
}

/* The first keyword in the values of an array or object of schemas. */
static const char *unchecked_among(jv schemas) {
    const char *found = NULL;
    if (jv_get_kind(schemas) == JV_KIND_ARRAY) {
        jv_array_foreach(schemas, i, one) {
            found = found != NULL ? found : schema_unchecked(one);
            jv_free(one);
        }
    } else if (jv_get_kind(schemas) == JV_KIND_OBJECT) {
        jv_object_foreach(schemas, key, one) {
            found = found != NULL ? found : schema_unchecked(one);
            jv_free(key);
            jv_free(one);
        }
    }
    jv_free(schemas);
    return found;
}

const char *schema_unchecked(jv schema) {
    static const char *const unchecked[] = {"patternProperties",
                                            "dependentRequired",
                                            "dependentSchemas",
                                            "dependencies",
                                            "if",
                                            "contains",
                                            "propertyNames",
                                            "unevaluatedItems",
                                            "$dynamicRef",
                                            "$recursiveRef",
                                            "unevaluatedProperties",
                                            "$anchor"};
    static const char *const single[] = {"items", "additionalProperties", "not"};
    static const char *const many[] = {"properties",  "anyOf", "oneOf",      "allOf",
                                       "prefixItems", "$defs", "definitions"};
    const char *found = NULL, *reference = json_string(schema, "$ref");
    if (jv_get_kind(schema) != JV_KIND_OBJECT)
        return NULL;
    for (size_t i = 0; i < sizeof unchecked / sizeof *unchecked; i++)
        if (json_has(schema, unchecked[i]))
            return unchecked[i];
    if (reference != NULL && *reference != '#')
        return "$ref to another document";
    for (size_t i = 0; found == NULL && i < sizeof single / sizeof *single; i++) {
        jv inner = json_get(schema, single[i]);
        found = schema_unchecked(inner);
        jv_free(inner);
    }
    for (size_t i = 0; found == NULL && i < sizeof many / sizeof *many; i++)
        found = unchecked_among(json_get(schema, many[i]));
    return found;
}
