#include "oauth/authorization_details.h"

#include "base/utf8.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>

static bool text_visible(jv text, struct error *error) {
    const char *bytes = jv_string_value(text);
    size_t size = (size_t)jv_string_length_bytes(jv_copy(text)), length;
    for (size_t i = 0; i < size; i += length) {
        uint32_t character = 0;
        length = utf8_decode(bytes + i, size - i, &character);
        bool line = character == '\n' || character == '\t' || character == '\r';
        if (length == 0 || (!line && !utf8_visible(character)))
            return fail(error, STATUS_INPUT,
                        "the details have U+%04lX, which cannot be seen; nobody was asked",
                        (unsigned long)character);
    }
    return true;
}

/* Whether all texts in the value are visible, including names of members. */
static bool all_visible(jv value, struct error *error) {
    bool good = true;
    if (jv_get_kind(value) == JV_KIND_STRING)
        return text_visible(value, error);
    if (jv_get_kind(value) == JV_KIND_ARRAY) {
        jv_array_foreach(value, i, item) {
            good = good && all_visible(item, error);
            jv_free(item);
        }
    } else if (jv_get_kind(value) == JV_KIND_OBJECT) {
        jv_object_foreach(value, key, member) {
            good = good && text_visible(key, error) && all_visible(member, error);
            jv_free(key);
            jv_free(member);
        }
    }
    return good;
}

bool details_sound(jv details, struct error *error) {
    bool good = jv_get_kind(details) == JV_KIND_ARRAY ||
                fail(error, STATUS_INPUT, "the details are not an array; nobody was asked");
    if (good) {
        jv_array_foreach(details, i, detail) {
            const char *type = json_string(detail, "type");
            if (good && (type == NULL || *type == '\0'))
                good = fail(error, STATUS_INPUT,
                            "a detail has no 'type', which it must (RFC 9396); nobody was asked");
            jv_free(detail);
        }
    }
    return good && all_visible(details, error);
}

static bool is_among(const char *type, jv types) {
    bool found = false;
    jv_array_foreach(types, i, one) {
        const char *name = json_value_string(one);
        found = found || (name != NULL && strcmp(name, type) == 0);
        jv_free(one);
    }
    return found;
}

bool details_known(jv details, jv metadata, struct error *error) {
    jv types = json_get(metadata, "authorization_details_types_supported");
    bool good = true;
    if (jv_get_kind(types) == JV_KIND_ARRAY) {
        jv_array_foreach(details, i, detail) {
            const char *type = json_string(detail, "type");
            if (good && !is_among(type != NULL ? type : "", types))
                good = fail(error, STATUS_CONFIG,
                            "the provider does not list the detail's type '%.100s' "
                            "(authorization_details_types_supported); nobody was asked",
                            type != NULL ? type : "");
            jv_free(detail);
        }
    }
    jv_free(types);
    return good;
}

static bool value_agrees(jv asked, jv granted);

static bool object_agrees(jv asked, jv granted) {
    bool agree = true;
    jv_object_foreach(asked, key, member) {
        jv other = jv_object_get(jv_copy(granted), jv_copy(key));
        agree = agree && jv_is_valid(other) && value_agrees(member, other);
        jv_free(other);
        jv_free(key);
        jv_free(member);
    }
    return agree;
}

/* The index of an item of `granted`, not yet `used`, that equals the item or, failing that, agrees
 * with it; the same index if possible, because providers keep the order. -1 for none. */
static int find_agreeing(jv item, int place, jv granted, const bool *used, int count) {
    for (int tried = 0; tried < 2 * count; tried++) {
        int i = (place + tried) % count;
        jv other = used[i] ? jv_invalid() : jv_array_get(jv_copy(granted), i);
        bool agrees =
            !used[i] && (tried < count ? json_equal(item, other) : value_agrees(item, other));
        jv_free(other);
        if (agrees)
            return i;
    }
    return -1;
}

/* Whether the items of both match one to one. */
static bool array_agrees(jv asked, jv granted) {
    int count = jv_array_length(jv_copy(asked));
    if (count != jv_array_length(jv_copy(granted)))
        return false;
    bool *used = must_alloc((size_t)count + 1), agree = true;
    for (int i = 0; agree && i < count; i++) {
        jv item = jv_array_get(jv_copy(asked), i);
        int place = find_agreeing(item, i, granted, used, count);
        jv_free(item);
        agree = place >= 0;
        if (agree)
            used[place] = true;
    }
    free(used);
    return agree;
}

static bool value_agrees(jv asked, jv granted) {
    jv_kind kind = jv_get_kind(asked);
    if (kind != jv_get_kind(granted))
        return false;
    if (kind == JV_KIND_OBJECT)
        return object_agrees(asked, granted);
    if (kind == JV_KIND_ARRAY)
        return jv_array_length(jv_copy(asked)) == 0 || array_agrees(asked, granted);
    return json_equal(asked, granted);
}

bool details_agree(jv asked, jv granted) {
    if (jv_get_kind(asked) != JV_KIND_ARRAY || jv_get_kind(granted) != JV_KIND_ARRAY)
        return json_equal(asked, granted);
    return array_agrees(asked, granted);
}

bool details_within(jv asked, jv granted) {
    bool within = jv_get_kind(granted) == JV_KIND_ARRAY;
    if (!within)
        return json_equal(asked, granted);
    jv_array_foreach(granted, i, detail) {
        bool found = false;
        jv_array_foreach(asked, j, one) {
            found = found || value_agrees(one, detail);
            jv_free(one);
        }
        within = within && found;
        jv_free(detail);
    }
    return within;
}
