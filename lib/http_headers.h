/* What is read of the header lines of an answer. For http.c. */
#ifndef CIBA_HTTP_HEADERS_H
#define CIBA_HTTP_HEADERS_H

#include "http.h"

/* Takes a line, with or without its end, into the answer; a status line begins it anew. */
void http_read_header(struct http_answer *answer, const char *line, size_t size);

/* The phrase of RFC 9110 §15 for a status that an API sends, "" for others. */
const char *http_standard_reason(long status);

#endif
