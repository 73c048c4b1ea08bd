/* JSON Schema, draft 2020-12, as far as tool definitions use it: type, enum, const, the bounds of
 * numbers, strings, arrays and objects, pattern, properties, required, additionalProperties, items,
 * prefixItems, uniqueItems, anyOf, oneOf, allOf, not, and $ref within the schema. Other keywords
 * are not checked; schema_unchecked finds those that restrict values. */
#ifndef CIBA_JSON_SCHEMA_H
#define CIBA_JSON_SCHEMA_H

#include "base/error.h"

#include <jv.h>
#include <stdbool.h>

enum {
    SCHEMA_WORK_LIMIT = 200000,  /* number of values, members and enum choices checked */
    SCHEMA_PATTERN_LIMIT = 10000 /* bytes of a string that is matched against a pattern */
};

/* Whether the value matches the schema. False and an error with status 65 whose text names the
 * place, for the model to read. Also false wherever checking would exceed the limits, or is not
 * done at `deadline` (a clock_elapsed time, INFINITY for none). The deadline is checked before each
 * pattern, because one alone can take long. */
bool schema_allows(jv schema, jv value, double deadline, struct error *error);

/* The first keyword in the schema that restricts values but is not checked, NULL for none. */
const char *schema_unchecked(jv schema);

#endif
