/* Strict jq: a missing value is an error, where jq itself would continue with null and the user
 * would approve "null", nothing, or a 0. */
#ifndef CIBA_JSON_JQ_TEMPLATE_STRICT_H
#define CIBA_JSON_JQ_TEMPLATE_STRICT_H

#include <stddef.h>

/* The start of every strict program. */
extern const char template_prelude[];

/* Returns the position after the closing parenthesis of an expression that begins at `text`, as in
 * a jq string \(…); NULL if there is none. */
const char *template_expression_end(const char *text);

/* The expression (`size` bytes), changed so that each path in it, such as .a, .b["c"][0], $x.y or
 * the member of {a}, is an error if it gives null. Not in the condition of an `if` nor before `//`;
 * `try` and `?` catch the error as any other: so an expression can choose its own fallback. The
 * caller frees. */
char *template_strict(const char *expression, size_t size);

#endif
