/* JSON numbers as text: their grammar, their canonical form, and whether two texts mean the same.
 */
#ifndef CIBA_JSON_NUMBER_H
#define CIBA_JSON_NUMBER_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

enum { NUMBER_TEXT_SIZE = 60 };

/* The number in canonical form, as ECMAScript's Number.prototype.toString writes a double (RFC 8785
 * §3.2.2.3), into NUMBER_TEXT_SIZE bytes; `written` is how it was written. False and an error with
 * status 65 if that is another number: a double cannot hold it exactly. */
bool json_number_text(double number, const char *written, char *text, struct error *error);

/* Whether the text is a JSON number (RFC 8259 §6); and whether two such mean the same number. */
bool json_is_number(const char *text, size_t size);
bool json_same_number(const char *one, const char *other);

#endif
