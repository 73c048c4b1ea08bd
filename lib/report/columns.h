/* The columns of a report, for programs and for people. */
#ifndef CIBA_REPORT_COLUMNS_H
#define CIBA_REPORT_COLUMNS_H

#include "base/text.h"
#include "report/calls.h"

#include <stdbool.h>
#include <stddef.h>

/* What a column has of a call. */
struct cell {
    enum { CELL_EMPTY, CELL_TEXT, CELL_NUMBER, CELL_BOOLEAN } kind;
    const char *text; /* a text; a number or a truth as JSON writes it. Valid until the next cell */
};

/* The columns for programs, in their order: names stay, new ones come at the end. */
size_t columns_count(void);
const char *column_name(size_t column);
struct cell column_cell(size_t column, const struct reported_call *call);

/* The same as JSON: an object without its braces. */
void columns_add_json(struct text *to, const struct reported_call *call);

/* A text as a string of JSON, with escapes for what cannot be seen. */
void add_json_string(struct text *to, const char *string);

/* A cell of CSV (RFC 4180), which no spreadsheet takes for a formula: such a text has an apostrophe
 * before it. A control character or line break is a '?'. */
void add_csv_cell(struct text *to, const struct cell *cell);

/* A text in HTML, whatever it has. */
void add_html(struct text *to, const char *string);

/* "12 s", "3:05 min", "2:10 h", "4 d", and "-" for a time below 0. */
void add_seconds(struct text *to, double seconds);

#endif
