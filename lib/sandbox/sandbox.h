/* The state that the parts of the sandbox share. The sandbox is everything that the flow talks to,
 * for development, demos and tests. It handles one request at a time, under the server's lock. */
#ifndef CIBA_SANDBOX_SANDBOX_H
#define CIBA_SANDBOX_SANDBOX_H

#include <jv.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdbool.h>

enum approval_mode { APPROVE_ASK, APPROVE_YES, APPROVE_NO, APPROVE_NEVER };

struct approval; /* approvals.h */

struct sandbox {
    pthread_mutex_t lock;
    enum approval_mode mode;
    double delay, interval; /* seconds */
    bool quiet;
    char *origin; /* http://127.0.0.1:PORT, without a slash at the end */
    char *host;   /* 127.0.0.1:PORT */
    char *issuer, *audience, *client_id, *client_secret, *api_key;
    char *broker_key_id, *broker_secret_key;
    const char *user;
    EVP_PKEY *key;
    EVP_PKEY *assertion_key; /* of --assertion-key-file: of who speaks for the client */
    jv jwks;
    jv client_jwks;         /* of --client-key-file: the client authenticates and signs with it */
    jv used_assertions;     /* an object: the jti of each JWT of the client that was accepted */
    jv refresh_tokens;      /* an object, see grants.h */
    jv revoked;             /* an object: the auth_req_id or jti whose tokens were revoked */
    const char *notify_url; /* --notification-url, for ping notifications, or NULL */
    struct approval *approvals; /* newest first */
    struct approval *by_name[1 << 14];
    jv orders;        /* an array */
    jv orders_by_key; /* an object: Idempotency-Key to {request, order} */
    jv faults;        /* an array, see faults.h */
    int log;          /* descriptor of --log-file, or -1 */
    int notice;       /* gets a byte for each new approval that waits, or -1 */
};

/* Prints on stderr what happened to the user or the order, unless quiet. */
void sandbox_tell(const struct sandbox *sandbox, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
