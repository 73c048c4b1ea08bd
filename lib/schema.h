/* JSON Schema, draft 2020-12, as far as tool definitions use it: type, enum, const, the bounds of
 * numbers, strings, arrays and objects, pattern, properties, required, additionalProperties, items,
 * prefixItems, uniqueItems, anyOf, oneOf, allOf, not, and $ref within the schema. Other keywords
 * are not checked; schema_unchecked tells of those that would say something. */
#ifndef CIBA_SCHEMA_H
#define CIBA_SCHEMA_H

#include "error.h"

#include <jv.h>
#include <stdbool.h>

/* Whether the value is as the schema says. False and an error with status 65 whose text names the
 * place, for the model to read. */
bool schema_allows(jv schema, jv value, struct error *error);

/* The first keyword in the schema that says something and is not checked, NULL for none. */
const char *schema_unchecked(jv schema);

#endif
