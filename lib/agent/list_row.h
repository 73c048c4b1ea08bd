/* A list of a spool for people: its lines. What documents say cannot steer a terminal. */
#ifndef CIBA_AGENT_LIST_ROW_H
#define CIBA_AGENT_LIST_ROW_H

#include "base/text.h"

#include <jv.h>
#include <stddef.h>

/* Adds the line that names the columns, at most `width` columns wide (0 for any). */
void list_row_header(struct text *to, size_t width);

/* Adds a line for each call of a document, or one for a document without calls: the state, the
 * document's name, who was asked, what happened when and what comes, and the message, with the
 * reason if it failed or is tried again. Where `width` has no room for that, two lines. The facts
 * stay the caller's; `now` is seconds since 1970. */
void list_row_document(struct text *to, jv facts, double now, size_t width);

/* Adds `line` as a line: plain, and cut to the width. */
void list_row_line(struct text *to, const char *line, size_t width);

#endif
