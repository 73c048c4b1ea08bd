/* How a request's connection is protected. For http.c. */
#ifndef CIBA_HTTP_TLS_H
#define CIBA_HTTP_TLS_H

#include "http.h"

#include <curl/curl.h>

/* curl_easy_setopt that cannot fail unseen: where libcurl has no memory, or does not have the
 * option, the process ends with status 70, rather than go on without what was to be set. */
#define HTTP_SET(easy, option, value) http_must_set(curl_easy_setopt(easy, option, value))
void http_must_set(CURLcode code);

/* TLS 1.2 or later, keys and signatures of 112 bits of security or more (OpenSSL's level 2), the
 * CAs of `ca_file` and `ca_dir` (NULL and NULL: libcurl's own), the settings' CRLs and the
 * certificate that the client shows (RFC 8705). */
void http_tls_set(CURL *easy, const struct http_settings *settings, const char *ca_file,
                  const char *ca_dir);

#endif
