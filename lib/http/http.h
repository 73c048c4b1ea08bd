/* HTTP for all commands, on libcurl: one client per process, which keeps its connections.
 *
 * Always: https by TLS 1.2 or later, or http to a loopback host only; certificates checked; no
 * redirect followed; no cookies, no .netrc, no compression; limits on connection time, total time
 * and answer size. Proxies as libcurl has them (https_proxy, no_proxy), never for a loopback
 * host. */
#ifndef CIBA_HTTP_HTTP_H
#define CIBA_HTTP_HTTP_H

#include "base/error.h"
#include "http/message.h"
#include "system/confinement.h"

#include <stdbool.h>
#include <stddef.h>

struct http;

/* Opens and reads nothing before the first request. CAs: only settings->cacert if set; else those
 * given by `ca_file` and `ca_dir` (SSL_CERT_FILE, SSL_CERT_DIR); else the system's hashed directory
 * (only the certificates needed are read, a bundle would be parsed whole); else its file
 * (http/roots.h); else libcurl's default. */
struct http *http_new(const struct http_settings *settings, const char *ca_file,
                      const char *ca_dir);
void http_free(struct http *http);

/* Adds what its requests need. */
void http_needs(const struct http *http, struct confinement *needs);

void http_answer_free(struct http_answer *answer);

/* From now on http_call ends without an answer when the descriptor becomes readable or at the time
 * `until` (as clock_elapsed). */
void http_end_calls_at(struct http *http, int descriptor, double until);

/* Sends one request and waits for its answer, which is the caller's. */
void http_call(struct http *http, const struct http_request *request, struct http_answer *answer);

struct http_transfer; /* a request under way */

/* Starts a request and returns at once. The request's strings may be freed when it returns. */
struct http_transfer *http_start(struct http *http, const struct http_request *request,
                                 void *owner);

/* Waits for a transfer to finish. True: sets *owner, the answer is the caller's, the transfer is
 * freed. False after `timeout` seconds, or when one of the `count` descriptors becomes readable. */
bool http_wait(struct http *http, const int *descriptors, unsigned count, double timeout,
               void **owner, struct http_answer *answer);

/* Returns a transfer that has finished already, as http_wait, without waiting. */
bool http_finished(struct http *http, void **owner, struct http_answer *answer);

/* Ends one of the transfers that are under way, without an answer, and returns its owner; NULL if
 * there is none. */
void *http_abandon(struct http *http);

#endif
