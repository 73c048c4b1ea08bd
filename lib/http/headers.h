/* Reads the header lines of an answer. For http.c. */
#ifndef CIBA_HTTP_HEADERS_H
#define CIBA_HTTP_HEADERS_H

#include "http/message.h"

/* Reads a line, with or without its line end, into the answer; a status line resets the answer. */
void http_read_header(struct http_answer *answer, const char *line, size_t size);

/* The RFC 9110 §15 reason phrase of a status that APIs send, "" for others. */
const char *http_standard_reason(long status);

#endif
