/* Which of its input's values a jq expression takes: so that a value that is not there is an error,
 * not the `null`, "null" or 0 that jq would make of it. */
#ifndef CIBA_TEMPLATE_PATHS_H
#define CIBA_TEMPLATE_PATHS_H

#include <stddef.h>

/* Behind the closing parenthesis of an expression that begins at `text`, as in a jq string \(…);
 * NULL if there is none. */
const char *template_expression_end(const char *text);

/* The paths of the input that the expression (`size` bytes) takes, such as .a, ."b c" or .["d"][0],
 * as jq text: `[.a],[."b c"],`; the caller frees. None where the expression says itself what is to
 * stand for a value that is not there: by `//`, `?`, `if`, `try`, `has` or `null`. */
char *template_paths(const char *expression, size_t size);

#endif
