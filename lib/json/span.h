/* Looks into JSON text without reading it into memory: where in the text its values stand. For text
 * that goes on as it came, byte by byte. */
#ifndef CIBA_JSON_SPAN_H
#define CIBA_JSON_SPAN_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* A value, without the white space around it. The text stays its owner's. */
struct json_span {
    const char *text; /* NULL for none */
    size_t size;
};

/* The object or array in a text, with nothing but white space around it: valid as for json_scan,
 * without control characters in strings, but with numbers of any size, escapes of half a
 * character, and members that may stand twice. False and an error with status 65. All spans below
 * must come from one that this function has made. */
bool json_span(const char *text, size_t size, struct json_span *value, struct error *error);

bool json_span_is_object(struct json_span value);
bool json_span_is_array(struct json_span value);

/* The members of an object, or the items of an array, one after the other. */
struct json_walk {
    const char *at, *end;
    struct json_span key, value; /* the current one; an item has no key */
    bool in_object;
};

/* Begins before the first; of a value that is neither object nor array nothing is walked over. */
struct json_walk json_walk(struct json_span container);
bool json_walk_next(struct json_walk *walk);

/* Whether a member's key is that name, however it is written. */
bool json_span_names(struct json_span key, const char *name);

/* The first member of that name, or an empty span. */
struct json_span json_span_member(struct json_span object, const char *name);

/* The string, decoded; the caller frees. NULL if it is no string or contains a NUL. */
char *json_span_string(struct json_span value);

/* Whether it is that literal or that string as it stands there: true, null, "x". */
bool json_span_is(struct json_span value, const char *text);

/* The bytes themselves; the caller frees. */
char *json_span_copy(struct json_span value);

#endif
