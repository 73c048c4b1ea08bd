/* The answer to the one request of a command that a web server or inetd starts (server_request.h).
 */
#ifndef CIBA_HTTP_SERVER_REPLY_H
#define CIBA_HTTP_SERVER_REPLY_H

#include <stdbool.h>
#include <stddef.h>

/* The head of an answer with so many bytes of body, and the empty line: that of HTTP/1.1 (RFC
 * 9112), or else of CGI (RFC 3875 §6). `lines` are more header lines, each with CRLF at its end. A
 * 401 asks for a Bearer token (RFC 6750 §3). The caller frees. */
char *server_reply_head(int status, const char *lines, size_t size, bool is_http);

/* The exit status of a command that has answered so: 0 for 2xx, 65 for 4xx, 74 for 5xx. */
int server_reply_exit_status(int status);

#endif
