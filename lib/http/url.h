/* Which URLs are allowed, and how they are written. */
#ifndef CIBA_HTTP_URL_H
#define CIBA_HTTP_URL_H

#include "base/error.h"

#include <stdbool.h>

/* Whether the URL is one that would be asked: https, or http to localhost, 127.0.0.0/8 or [::1];
 * with a host, without user and password. False and an error with status 78. */
bool http_url_allowed(const char *url, const char *setting, struct error *error);

/* The URL as libcurl requests it, for the htu of a DPoP proof (RFC 9449 §4.3): scheme and host in
 * lower case, without default port, user, dot segments, query and fragment; the caller frees. NULL
 * and an error with status 64 if it is not an absolute http or https URL. */
char *http_target(const char *url, struct error *error);

/* Whether the URL is on that host, however it is spelled. */
bool http_url_is_on(const char *url, const char *host);

/* The host of a URL that http_url_allowed accepts; the caller frees. Sets *plain to whether it is
 * http. NULL and an error with status 78. */
char *http_url_host(const char *url, bool *plain, struct error *error);

/* Whether a host, as from http_url_host, is this machine: localhost, 127.0.0.0/8 or [::1]. */
bool http_is_loopback(const char *host);

#endif
