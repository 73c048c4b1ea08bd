/* JSON without loss: libjq's parser, after a check for everything that it would silently change.
 *
 * Ownership, here and in all of lib/: a function borrows its jv arguments and returns a new
 * reference, unless its comment says that it takes one. (libjq's own jv_ functions take.) */
#ifndef CIBA_JSON_JSON_H
#define CIBA_JSON_JSON_H

#include "base/error.h"

#include <jv.h>
#include <stdbool.h>
#include <stddef.h>

enum {
    JSON_DEPTH_LIMIT = 200,             /* libjq 1.6 reads 256 levels; we may add some */
    JSON_SIZE_LIMIT = 64 * 1024 * 1024, /* bytes of one document or answer */
    /* Members of one object. libjq 1.6 and 1.7 hash names with a known seed, so an attacker can
     * choose names that all collide. Therefore, over all objects of a value, the sum of the squared
     * member counts is also limited to this number squared. */
    JSON_MEMBERS_LIMIT = 10000,
    JSON_CONTAINERS_LIMIT = 1000000 /* objects and arrays of one value: about 400 bytes each */
};

/* A scan over the text of one JSON value, which may still be arriving. Finds the value's end or the
 * first byte that is not JSON. Refuses what libjq would accept and change: numbers that it rounds,
 * `nan`, invalid UTF-8, lone surrogates, too many levels, members or containers. So libjq gets only
 * what it can read without loss and in bounded time (version 1.6 leaks memory on incomplete input).
 * Zeroed before the first call. */
struct json_scan {
    size_t at;      /* bytes scanned */
    size_t token;   /* start of the current string or literal */
    size_t members; /* members of objects seen so far */
    size_t containers;
    size_t squares; /* sum of the squared member counts of all objects */
    int depth;
    bool is_object[JSON_DEPTH_LIMIT + 1]; /* of the container at each depth, from 1 */
    unsigned members_of[JSON_DEPTH_LIMIT + 1];
    enum { JSON_BETWEEN, JSON_IN_STRING, JSON_IN_ESCAPE, JSON_IN_LITERAL } state;
    enum {
        JSON_VALUE,        /* what may come next */
        JSON_VALUE_OR_END, /* after [ */
        JSON_KEY,
        JSON_KEY_OR_END, /* after { */
        JSON_COLON,
        JSON_COMMA_OR_END
    } expected;
    bool started, complete;
    bool unread; /* set by the caller if libjq will not read it: numbers of any size, \u escapes of
                    half a character, and any number of members and containers, are good */
};

/* Continues scanning `text`, which holds `size` bytes from the value's first byte on, until the
 * value is complete (then scan->at is just after it) or the bytes end. False and an error (status
 * 65) for a value that must be refused. */
bool json_scan(struct json_scan *scan, const char *text, size_t size, struct error *error);

/* Parses the value of a complete scan. False and an error (status 65) for a duplicate member; then
 * *value is invalid. */
bool json_parse_scanned(const char *text, const struct json_scan *scan, jv *value,
                        struct error *error);

/* Parses one value, optionally with white space around it and a byte order mark before it. False
 * and an error (status 65) if it is not JSON, has a duplicate member, or would be changed (see
 * json_scan); then *value is invalid. */
bool json_parse(const char *text, size_t size, jv *value, struct error *error);

/* Compact JSON text, `null` for an invalid value; the caller frees. */
char *json_text(jv value);

/* The same JSON text, with \u escapes for the characters that utf8_plain (utf8.h) refuses. The
 * caller frees. */
char *json_plain(const char *text, size_t size);

/* The value as compact JSON text, with \u escapes for the characters that utf8_visible (utf8.h)
 * refuses. The caller frees. */
char *json_visible(jv value);

/* The member, or invalid if `object` is not an object or lacks it. */
jv json_get(jv object, const char *key);

/* The member if it is an array, else an empty one. */
jv json_array(jv object, const char *key);

/* The member, as json_get, leaving null in its place. A value with no other reference can grow
 * without being copied each time. */
jv json_take(jv *object, const char *key);

/* The same, but an empty array if the member is not an array. */
jv json_take_array(jv *object, const char *key);

/* The object with the member set; unchanged if it is not an object or the value is invalid. Takes
 * `object` and `value`. */
jv json_set(jv object, const char *key, jv value);

/* The object with the member set to the text; unchanged if the text is NULL. Takes `object`. */
jv json_set_string(jv object, const char *key, const char *text);

/* The object without the member; unchanged if it is not an object. Takes `object`. */
jv json_delete(jv object, const char *key);

/* Whether `object` is an object with that member, and the member is not null. */
bool json_has(jv object, const char *key);

/* Whether `object` is an object with that member, null or not. */
bool json_names(jv object, const char *key);

/* The text of a string member, valid while the object lives unchanged; NULL if it is missing, no
 * string, or contains a NUL. */
const char *json_string(jv object, const char *key);

/* Whether `array` is an array that contains that string. */
bool json_lists(jv array, const char *text);

/* Whether the member is that string. */
bool json_is(jv object, const char *key, const char *text);

/* The text of a string value, as json_string. */
const char *json_value_string(jv value);

/* Whether the member is a number; if so sets *number. */
bool json_number(jv object, const char *key, double *number);

/* As json_number, and also accepts a string of digits, which some providers send. */
bool json_number_or_digits(jv object, const char *key, double *number);

/* Whether the member `format` is that number or missing: earlier versions did not write it. */
bool json_is_format(jv object, int format);

/* Whether two JSON values are equal. */
bool json_equal(jv one, jv other);

/* The RFC 8785 (JCS) form; the caller frees. NULL and an error if an IEEE 754 double cannot hold a
 * number in it exactly. */
char *json_canonical(jv value, struct error *error);

/* The same value with its numbers in RFC 8785 form, however they were spelled (3.00E+3 becomes
 * 3000), so that programs and templates do not depend on the spelling. Invalid and an error with
 * status 65 if an IEEE 754 double cannot hold a number exactly. */
jv json_normal(jv value, struct error *error);

/* A string as it is, any other value in RFC 8785 form, for showing to a person or program. Invalid
 * and an error with status 65 as for json_canonical. */
jv json_shown(jv value, struct error *error);

/* JSON text with the members in their original order and the numbers in RFC 8785 form; the caller
 * frees. NULL and an error as for json_canonical. */
char *json_exact(jv value, struct error *error);

#endif
