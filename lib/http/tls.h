/* TLS of a request's connection. For http.c. */
#ifndef CIBA_HTTP_TLS_H
#define CIBA_HTTP_TLS_H

#include "http/message.h"

#include <curl/curl.h>

/* curl_easy_setopt whose failure is never ignored: if libcurl is out of memory or lacks the option,
 * the process ends with status 70 rather than continue without it. */
#define HTTP_SET(easy, option, value) http_must_set(curl_easy_setopt(easy, option, value))
void http_must_set(CURLcode code);

/* TLS 1.2 or later, keys and signatures of at least 112 bits of security (OpenSSL's level 2), the
 * CAs of `ca_file` and `ca_dir` (both NULL: libcurl's own), the settings' CRLs and the client's
 * certificate (RFC 8705). */
void http_tls_set(CURL *easy, const struct http_settings *settings, const char *ca_file,
                  const char *ca_dir);

/* What the user can do about a server's certificate that does not hold. `why` is the reason in
 * OpenSSL's words, or libcurl's. */
const char *http_tls_advice(const char *why);

#endif
