/* A request from any source to a command that a web server or inetd starts: read from stdin, once a
 * process. */
#ifndef CIBA_HTTP_SERVER_REQUEST_H
#define CIBA_HTTP_SERVER_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

enum { SERVER_REQUEST_LIMIT = 64 * 1024 }; /* bytes of a body */

/* NULL for what it lacks. */
struct server_request {
    const char *method;
    const char *path; /* CGI: PATH_INFO; else the request's target up to a '?' */
    const char *authorization, *content_type;
    const char *origin, *fetch_site; /* Origin and Sec-Fetch-Site, which a browser sends */
    const char *access_token;        /* X-Forwarded-Access-Token, which a proxy sends */
    const char *user; /* CGI: REMOTE_USER, as the web server names the user; not a header */
    const char *body; /* NULL unless it is a POST */
    size_t size;
    char *memory; /* owns the strings, freed by server_request_free */
};

/* Reads it by RFC 3875 (CGI) from the environment and stdin: the body of a POST, CONTENT_LENGTH
 * bytes, or to the end if that is not set. Returns 0, or the HTTP status for refusing it: 400, or
 * 413 for more than SERVER_REQUEST_LIMIT bytes. Ends the process if it has not arrived in 30 s;
 * that alarm is still set afterwards. */
int server_request_read_cgi(struct server_request *request);

/* The same for one HTTP/1.1 request (RFC 9112), the body with a Content-Length or chunked. Refuses
 * one with both, or with two lengths (§6.3). */
int server_request_read_http(struct server_request *request);

void server_request_free(struct server_request *request);

/* Whether the content type is that one, whatever its parameters are. */
bool server_request_is(const struct server_request *request, const char *content_type);

/* The token of `Authorization: Bearer` (RFC 6750 §2.1), NULL for none. */
const char *server_request_bearer(const struct server_request *request);

#endif
