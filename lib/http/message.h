/* A request, its answer, and the settings of a client. */
#ifndef CIBA_HTTP_MESSAGE_H
#define CIBA_HTTP_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>

enum {
    HTTP_ANSWER_LIMIT = 10 * 1024 * 1024, /* bytes of a body */
    HTTP_STREAM_LIMIT = 64 * 1024 * 1024  /* bytes passed to a receiver */
};

/* The settings of a client. Zero or NULL means the default. */
struct http_settings {
    const char *cacert;     /* file of the only CAs trusted; default: see http_new */
    const char *crlfile;    /* PEM, for every CA of a chain; default: no revocation check */
    const char *cert, *key; /* the client's certificate and key, PEM or PKCS#12; default: none */
    const char *key_password;
    double connect_timeout; /* seconds, default 10 */
    double max_time;        /* seconds for the whole exchange, default 60 */
};

/* The options of http_settings for a command's table. */
/* clang-format off */
#define HTTP_OPTIONS(settings) \
    {0, "tls-ca-file", "FILE", OPTION_TEXT, &(settings).cacert, "trust the CA certificates in FILE only"}, \
    {0, "tls-crl-file", "FILE", OPTION_TEXT, &(settings).crlfile, \
     "refuse certificates that are revoked by FILE"}, \
    {0, "tls-cert-file", "FILE", OPTION_TEXT, &(settings).cert, "show this certificate, PEM or PKCS#12"}, \
    {0, "tls-key-file", "FILE", OPTION_KEY, &(settings).key, "the certificate's key, PEM, if it is not in --tls-cert-file"}, \
    {0, "connect-timeout", "SECONDS", OPTION_SECONDS, &(settings).connect_timeout, \
     "give up connecting after this time (10)"}, \
    {0, "max-time", "SECONDS", OPTION_SECONDS, &(settings).max_time, \
     "give up one request after this time"}
/* clang-format on */

/* Receives bytes of a stream as they arrive. False ends the request. */
typedef bool (*http_receiver)(void *receiver, const char *bytes, size_t size);

struct http_request {
    const char *method;          /* GET or POST */
    const char *url;             /* of a trusted setting or discovery, never of a document */
    const char *body;            /* NULL for none */
    const char *content_type;    /* of the body */
    const char *accept;          /* NULL for application/json */
    const char *bearer;          /* for `Authorization: Bearer`, NULL for none */
    const char *dpop_token;      /* for `Authorization: DPoP`, NULL for none */
    const char *user, *password; /* for Basic, NULL for none */
    const char *headers[4];      /* more header lines, up to a NULL */
    double max_time;             /* seconds, overrides the client's; 0 for the client's */
    http_receiver receive; /* receives the body of a 200 with text/event-stream; NULL for none */
    void *receiver;
};

/* The outcome of a request. */
struct http_answer {
    enum {
        HTTP_ANSWERED, /* a complete answer: status, body */
        HTTP_NOT_SENT, /* nothing reached the server: no connection, no trusted certificate, a bad
                          URL */
        HTTP_UNKNOWN   /* sent, but no complete answer: the server may have acted on it */
    } outcome;
    int exit_status; /* for the last two: 69, 76 or 78 */
    long status;
    char *body; /* followed by a 0 byte; freed by http_answer_free */
    size_t size;
    char reason[64];    /* the reason phrase, or the standard one (HTTP/2 sends none) */
    char why[400];      /* for the last two outcomes: what failed, on what host */
    bool transient;     /* for the last two: a retry may help */
    bool is_stream;     /* its body went to the receiver */
    bool began;         /* a status line has arrived */
    double retry_after; /* seconds from now (RFC 9110 §10.2.3, or retry-after-ms), -1 if not sent */
    bool retry_in_ms;   /* it came from retry-after-ms, which is more precise */
    double rate_reset;  /* seconds from now (x-ratelimit-reset-*, the longest), -1 if not sent */
    int should_retry;   /* x-should-retry: 1 true, 0 false, -1 not sent */
    char content_type[60];
    char date[40];       /* the Date header, see http_date; empty if not sent */
    double received_at;  /* by our clock */
    char request_id[80]; /* x-request-id and the like, empty if none */
    char *dpop_nonce;    /* the nonce for the next DPoP proof (RFC 9449 §8), never cut; NULL if not
                            sent; freed by http_answer_free */
    bool refuses_token;  /* a challenge says that the access token is invalid (RFC 6750 §3.1) */
    bool needs_dpop_nonce; /* the request failed because its proof lacked that nonce (§9) */
    bool needs_user;       /* the user must be authenticated otherwise, or anew (RFC 9470 §3) */
    char acr_values[200];  /* how; empty if not said, or if it is more than a person can type */
};

/* The server's time when it answered, seconds since 1970; -1 if not sent. */
double http_date(const struct http_answer *answer);

#endif
