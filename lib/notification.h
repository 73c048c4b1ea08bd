/* A provider's notification, CIBA Core 1.0 §10.2 and §10.3: a POST that is read from stdin. */
#ifndef CIBA_NOTIFICATION_H
#define CIBA_NOTIFICATION_H

#include <stdbool.h>
#include <stddef.h>

/* A request, however it came; NULL for what it does not have. */
struct notification {
    const char *method, *authorization, *content_type;
    const char *body; /* with a 0 byte after the last if it came by CGI */
    size_t size;
    char *memory; /* what is freed by notification_free */
};

/* Reads it as RFC 3875 (CGI) has it, from the environment and stdin. Returns 0, or the HTTP status
 * with which to refuse it: 400, or 413 for more than NOTIFICATION_LIMIT bytes. */
int notification_read_cgi(struct notification *n);

/* The same from one HTTP/1.1 request with a Content-Length (RFC 9112) on stdin, such as a provider
 * or a proxy sends; the process ends where it has not come in 30 s. */
int notification_read_http(struct notification *n);

/* Whether the body is a JSON object that names an auth_req_id, and is said to be JSON. */
bool notification_is_json(const struct notification *n);

void notification_free(struct notification *n);

#endif
