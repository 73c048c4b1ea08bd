/* JSON without loss: libjq's parser behind a check of all that it would silently change.
 *
 * Ownership, here and in all of lib/: a function borrows its jv arguments and returns a new
 * reference, unless its comment says that it takes one. (libjq's own jv_ functions take.) */
#ifndef CIBA_JSON_H
#define CIBA_JSON_H

#include "error.h"

#include <jv.h>
#include <stdbool.h>
#include <stddef.h>

enum {
    JSON_DEPTH_LIMIT = 200, /* libjq 1.6 reads 256 levels; room is left for what we add */
    JSON_SIZE_LIMIT = 64 * 1024 * 1024 /* bytes of one document or answer */
};

/* A scan over the text of one JSON value, which may still be arriving. It finds the value's end, or
 * the first byte that is no JSON, and refuses what libjq would accept and alter: numbers that it
 * rounds, `nan`, bytes that are not UTF-8, lone surrogates, too many levels. So libjq is only ever
 * given what it can read without loss (given less, its version 1.6 loses memory). Zeroed before the
 * first call. */
struct json_scan {
    size_t at;      /* bytes scanned */
    size_t token;   /* where the string or literal that is being read began */
    size_t members; /* members of objects seen so far */
    int depth;
    bool is_object[JSON_DEPTH_LIMIT + 1]; /* of the container at each depth, from 1 */
    enum { JSON_BETWEEN, JSON_IN_STRING, JSON_IN_ESCAPE, JSON_IN_LITERAL } state;
    enum {
        JSON_VALUE,        /* what may come next */
        JSON_VALUE_OR_END, /* behind [ */
        JSON_KEY,
        JSON_KEY_OR_END, /* behind { */
        JSON_COLON,
        JSON_COMMA_OR_END
    } expected;
    bool started, complete;
};

/* Goes on scanning `text`, which holds `size` bytes from the value's first on, until the value is
 * complete (then scan->at is just behind it) or the bytes end. False and an error (status 65) for a
 * value that must be refused. */
bool json_scan(struct json_scan *scan, const char *text, size_t size, struct error *error);

/* Parses the value of which the scan is complete. False and an error (status 65) if an object has a
 * member twice; *value then is invalid. */
bool json_parse_scanned(const char *text, const struct json_scan *scan, jv *value,
                        struct error *error);

/* Parses one value, with white space around it and perhaps a byte order mark before it. False and
 * an error (status 65) if it is not JSON or would not survive: see json_scan; also a duplicate
 * member. *value then is invalid. */
bool json_parse(const char *text, size_t size, jv *value, struct error *error);

/* Compact JSON text, `null` for an invalid value; the caller frees. */
char *json_text(jv value);

/* The member, or invalid if `object` is no object or has none. */
jv json_get(jv object, const char *key);

/* The member if it is an array, else an empty one. */
jv json_array(jv object, const char *key);

/* The object with the member set; unchanged if it is no object, or the value is invalid. Takes
 * `object` and `value`. */
jv json_set(jv object, const char *key, jv value);

/* The object with the member set to the text; unchanged if the text is NULL. Takes `object`. */
jv json_set_string(jv object, const char *key, const char *text);

/* The object without the member; unchanged if it is no object. Takes `object`. */
jv json_delete(jv object, const char *key);

/* Whether `object` is an object with a member of that name that is not null. */
bool json_has(jv object, const char *key);

/* Whether `object` is an object with a member of that name, null or not. */
bool json_names(jv object, const char *key);

/* The text of a string member, which lives as long as that object does unchanged; NULL if there is
 * none, if it is no string, or has a NUL in it. */
const char *json_string(jv object, const char *key);

/* Whether the member is that string. */
bool json_is(jv object, const char *key, const char *text);

/* The text of a string value, under the same conditions. */
const char *json_value_string(jv value);

/* Whether the member is a number, then set in *number. */
bool json_number(jv object, const char *key, double *number);

/* As json_number, and a string of digits will do, as some providers send. */
bool json_number_or_digits(jv object, const char *key, double *number);

/* Whether two JSON values are the same. */
bool json_equal(jv one, jv other);

/* The form of RFC 8785 (JCS), the caller frees. NULL and an error if a number in it cannot be held
 * exactly by an IEEE 754 double. */
char *json_canonical(jv value, struct error *error);

/* The same value with its numbers as RFC 8785 writes them, whatever the spelling that they were
 * read in (3.00E+3 is 3000): what a program or a template makes of it does not hang on that.
 * Invalid and an error with status 65 if a number cannot be held exactly by an IEEE 754 double. */
jv json_normal(jv value, struct error *error);

/* A string as it is, any other value in the form of RFC 8785: what a person or a program is shown
 * of it. Invalid and an error with status 65 as for json_canonical. */
jv json_shown(jv value, struct error *error);

/* JSON text with the members in their order and the numbers as RFC 8785 writes them; the caller
 * frees. NULL and an error as for json_canonical. */
char *json_exact(jv value, struct error *error);

/* Whether the text is a JSON number (RFC 8259 §6); and whether two such mean the same number. */
bool json_is_number(const char *text, size_t size);
bool json_same_number(const char *one, const char *other);

#endif
