/* HTTP for all commands, on libcurl: one client a process, whose connections are kept.
 *
 * Always: https by TLS 1.2 or later, or http to a loopback host only; certificates checked; no
 * redirect followed; no cookies, no .netrc, no compression; the connection, the whole exchange and
 * the size of the answer bounded. Proxies are libcurl's: https_proxy, no_proxy; never for a
 * loopback host. */
#ifndef CIBA_HTTP_H
#define CIBA_HTTP_H

#include "confine.h"
#include "error.h"

#include <stdbool.h>
#include <stddef.h>

enum { HTTP_ANSWER_LIMIT = 10 * 1024 * 1024 }; /* bytes of a body */

struct http;

/* How a client is set up. Zero or NULL stands for the default. */
struct http_settings {
    const char *cacert;     /* file of the only CAs trusted; default: see http_new */
    const char *crlfile;    /* PEM, for every CA of a chain; default: revocation is not looked at */
    const char *cert, *key; /* the client's certificate and key, PEM or PKCS#12; default: none */
    const char *key_password;
    double connect_timeout; /* seconds, default 10 */
    double max_time;        /* seconds for the whole exchange, default 60 */
};

/* The options of http_settings for a command's table. */
/* clang-format off */
#define HTTP_OPTIONS(settings) \
    {0, "cacert", "FILE", OPTION_TEXT, &(settings).cacert, "trust the CA certificates in FILE only"}, \
    {0, "crlfile", "FILE", OPTION_TEXT, &(settings).crlfile, \
     "refuse the certificates that are revoked in FILE"}, \
    {0, "cert", "FILE", OPTION_TEXT, &(settings).cert, "show this certificate, PEM or PKCS#12"}, \
    {0, "key", "FILE", OPTION_TEXT, &(settings).key, "its key, PEM, if it is not in --cert"}, \
    {0, "connect-timeout", "SECONDS", OPTION_SECONDS, &(settings).connect_timeout, \
     "limit for connecting (10)"}, \
    {0, "max-time", "SECONDS", OPTION_SECONDS, &(settings).max_time, \
     "limit for one whole request"}
/* clang-format on */

/* Nothing is opened or read until the first request. CAs: settings->cacert and no others; else
 * those of `ca_file` and `ca_dir` (SSL_CERT_FILE, SSL_CERT_DIR), as far as given; else a hashed
 * directory of the system (looked up a certificate at a time, where a bundle would be parsed
 * whole); else libcurl's default. */
struct http *http_new(const struct http_settings *settings, const char *ca_file,
                      const char *ca_dir);
void http_free(struct http *http);

/* Adds what its requests will need. */
void http_needs(const struct http *http, struct confinement *needs);

/* Takes bytes of a stream as they come. False ends the request. */
typedef bool (*http_receiver)(void *receiver, const char *bytes, size_t size);

struct http_request {
    const char *method;          /* GET or POST */
    const char *url;             /* of a trusted setting or discovery, never of a document */
    const char *body;            /* NULL for none */
    const char *content_type;    /* of the body */
    const char *bearer;          /* for `Authorization: Bearer`, NULL for none */
    const char *dpop_token;      /* for `Authorization: DPoP`, NULL for none */
    const char *user, *password; /* for Basic, NULL for none */
    const char *headers[4];      /* more header lines, up to a NULL */
    double max_time;             /* seconds, instead of the client's; 0 for that */
    http_receiver receive;       /* takes the body of a 200 with text/event-stream; NULL for none */
    void *receiver;
};

/* What came of a request. */
struct http_answer {
    enum {
        HTTP_ANSWERED, /* a complete answer: status, body */
        HTTP_NOT_SENT, /* nothing reached the server: no connection, no trust, a bad URL */
        HTTP_UNKNOWN   /* sent, but no complete answer: the server may have acted on it */
    } outcome;
    int exit_status; /* for the last two: 69, 76 or 78 */
    long status;
    char *body; /* with a 0 byte after the last; freed by http_answer_free */
    size_t size;
    char reason[64];    /* the reason phrase, or the standard one where HTTP/2 sends none */
    char why[400];      /* for the last two outcomes: what failed, on what host */
    bool transient;     /* for the last two: another try may help */
    bool is_stream;     /* its body went to the receiver */
    bool began;         /* a status line has come */
    double retry_after; /* seconds from now (RFC 9110 §10.2.3, or retry-after-ms), -1 if not said */
    bool retry_in_ms;   /* it was said by retry-after-ms, which is the finer */
    double rate_reset;  /* seconds from now (x-ratelimit-reset-*, the longest), -1 if not said */
    int should_retry;   /* x-should-retry: 1 true, 0 false, -1 not said */
    char content_type[60];
    char date[40];        /* the Date header, see http_date; empty if not said */
    double received_at;   /* by our clock */
    char request_id[80];  /* x-request-id and the like, empty if none */
    char dpop_nonce[300]; /* what the next DPoP proof must have (RFC 9449 §8), empty if not said */
};

void http_answer_free(struct http_answer *answer);

/* The server's time when it answered, seconds since 1970; -1 if not said. */
double http_date(const struct http_answer *answer);

/* From now on http_call ends without an answer as soon as the descriptor can be read, or it is
 * `until` (as clock_elapsed has it). */
void http_end_calls_at(struct http *http, int descriptor, double until);

/* Does one request and waits for it. The answer is the caller's. */
void http_call(struct http *http, const struct http_request *request, struct http_answer *answer);

struct http_transfer; /* a request under way */

/* Starts a request and returns at once. The strings of the request may go when it returns. */
struct http_transfer *http_start(struct http *http, const struct http_request *request,
                                 void *owner);

/* Waits for a transfer to finish: true, *owner is set, the answer is the caller's, the transfer
 * gone. False after `timeout` seconds, or as soon as one of the `count` descriptors can be read. */
bool http_wait(struct http *http, const int *descriptors, unsigned count, double timeout,
               void **owner, struct http_answer *answer);

/* A transfer that has finished already, as http_wait gives it, without waiting. */
bool http_finished(struct http *http, void **owner, struct http_answer *answer);

/* Ends one of the transfers that are under way, without an answer, and returns its owner; NULL if
 * there is none. */
void *http_abandon(struct http *http);

/* Whether the URL is one that would be asked: https, or http to localhost, 127.0.0.0/8 or [::1];
 * with a host, without user and password. False and an error with status 78. */
bool http_url_allowed(const char *url, struct error *error);

/* Whether the URL is on that host, in whichever spelling. */
bool http_url_is_on(const char *url, const char *host);

#endif
