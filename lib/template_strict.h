/* jq in which a value that is not there is an error, where jq itself would go on with null: else
 * the user would read "null", nothing, or a 0, and approve it. */
#ifndef CIBA_TEMPLATE_STRICT_H
#define CIBA_TEMPLATE_STRICT_H

#include <stddef.h>

/* What a strict program begins with. */
extern const char template_prelude[];

/* Behind the closing parenthesis of an expression that begins at `text`, as in a jq string \(…);
 * NULL if there is none. */
const char *template_expression_end(const char *text);

/* The expression (`size` bytes) with each path in it, such as .a, .b["c"][0], $x.y or the member of
 * {a}, made an error where it leads to null. Not so in the condition of an `if` and before `//`;
 * and `try` and `?` catch it as they catch any error: so an expression can say itself what to show.
 * The caller frees. */
char *template_strict(const char *expression, size_t size);

#endif
