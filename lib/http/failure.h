/* Error messages for failed requests. For http.c. */
#ifndef CIBA_HTTP_FAILURE_H
#define CIBA_HTTP_FAILURE_H

#include "http/message.h"

#include <curl/curl.h>
#include <stdbool.h>

/* Whether a retry may help: no connection, a broken connection, a timeout. Not a certificate
 * error. */
bool http_is_transient(CURLcode code);

/* Sets answer->why, including what to do, and answer->exit_status if it is not 69. `why` is
 * libcurl's message. */
void http_explain(struct http_answer *answer, CURLcode code, const char *why, const char *host);

#endif
