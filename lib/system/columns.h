/* How many columns text takes on a terminal. */
#ifndef CIBA_SYSTEM_COLUMNS_H
#define CIBA_SYSTEM_COLUMNS_H

#include "base/text.h"

#include <stddef.h>

/* The width of the terminal that stdout is, in columns, at least 20: as the terminal says, or
 * COLUMNS, or 80. 0 if stdout is no terminal. Sets *lines to its height, unless that is NULL. */
size_t columns_of_stdout(size_t *lines);

/* The columns of UTF-8 text: wide characters (Chinese, Japanese, Korean, emoji) take two, combining
 * ones none. A character of which that is not sure counts as the wider. */
size_t columns_of(const char *text);

/* Adds the text and spaces up to so many columns. */
void columns_pad(struct text *to, const char *text, size_t columns);

/* Cuts the text, in place, to so many columns (at least 3), between characters; "..." takes the
 * place of what is cut off. */
void columns_cut(char *text, size_t columns);

#endif
