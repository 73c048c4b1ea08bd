/* The sandbox's parts and what they share: everything that the flow talks to, for development,
 * demos and tests. One request is handled at a time, under the lock of the server. */
#ifndef CIBA_SANDBOX_H
#define CIBA_SANDBOX_H

#include "error.h"

#include <jv.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

enum approval_mode { APPROVE_ASK, APPROVE_YES, APPROVE_NO, APPROVE_NEVER };

/* A request to the user. */
struct approval {
    struct approval *next, *next_of_name; /* of all; of those whose auth_req_id has the same hash */
    char *auth_req_id;
    char *id; /* what the phone knows it by */
    jv asked; /* the parameters of the request */
    bool notified;
    double asked_at, expires_at, last_answer_at;
    double interval; /* seconds */
    enum { WAITING, APPROVED, DENIED, USED } state;
};

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
    jv jwks;
    jv client_jwks;         /* of --client-key: the client authenticates itself and signs with it */
    jv used_assertions;     /* an object: the jti of each JWT of the client's that was taken */
    const char *notify_url; /* of --notify: where a decision is told (ping), or NULL */
    struct approval *approvals; /* the newest first */
    struct approval *by_name[1 << 14];
    jv orders;        /* an array */
    jv orders_by_key; /* an object: Idempotency-Key to {request, order} */
    jv faults;        /* an array, see faults.c */
    int log;          /* descriptor of --log, or -1 */
    int notice;       /* is written a byte for each new approval that waits, or -1 */
};

struct sandbox_request {
    const char *method, *path, *host, *authorization, *content_type, *idempotency_key;
    const char *broker_key_id, *broker_secret_key, *client_order_id;
    const char *body; /* with a 0 byte after the last */
    size_t size;
};

struct sandbox_reply {
    int status;
    jv body;          /* JSON, or, if `text` is set, not used */
    const char *text; /* text instead of JSON, which lives longer than the reply, or is `made` */
    size_t text_size;
    char *made;               /* freed with the reply; NULL for none */
    const char *content_type; /* NULL for application/json */
    jv headers;               /* an object of strings */
    bool drop;                /* close the connection without an answer */
};

/* Says on stderr what happened to the user or the order, unless quiet. */
void sandbox_tell(const struct sandbox *sandbox, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Whether the Content-Type says that the body is of this type. Of JSON no page of another site can
 * say so unasked. */
bool body_is(const struct sandbox_request *request, const char *type);

/* Sets a JSON answer; takes the body. */
void reply_json(struct sandbox_reply *reply, int status, jv body);

/* Sets {"error": code, "error_description": text}. */
void reply_error(struct sandbox_reply *reply, int status, const char *code, const char *text);

/* Routes one request; the caller holds the lock. */
void sandbox_handle(struct sandbox *sandbox, const struct sandbox_request *request,
                    struct sandbox_reply *reply);

/* provider.c: OpenID provider. Makes the key; false if it cannot. */
bool provider_start(struct sandbox *sandbox);
void provider_metadata(struct sandbox *sandbox, struct sandbox_reply *reply);
void provider_authorize(struct sandbox *sandbox, const struct sandbox_request *request,
                        struct sandbox_reply *reply);
void provider_token(struct sandbox *sandbox, const struct sandbox_request *request,
                    struct sandbox_reply *reply);

/* client_jwt.c: whether a JWT that the client has signed holds: by its key, for this provider,
 * once, and not for longer than five minutes. *claims is the caller's. False and an error
 * otherwise. */
bool client_jwt_holds(struct sandbox *sandbox, const char *text, jv *claims, struct error *error);

/* client_jwt.c: the parameters of a signed request (CIBA Core §7.1.1) in place of the form, which
 * is taken. Invalid, with an error, if it does not hold. */
jv signed_request_form(struct sandbox *sandbox, jv form, struct error *error);

/* form.c: the parameters of an application/x-www-form-urlencoded body as an object. False if it is
 * malformed or names one twice. */
bool form_parse(const struct sandbox_request *request, jv *form);

/* What is still to be decided, brought up to date with the clock and --approve. */
void approval_refresh(struct sandbox *sandbox, struct approval *approval);

/* Decides as the user; false if there is nothing to decide any more. */
bool approval_decide(struct sandbox *sandbox, struct approval *approval, bool approve);

/* What the user reads; lives as long as the approval. */
const char *approval_message(const struct approval *approval);

/* model.c, stock.c, broker.c, phone.c */
void broker_order(struct sandbox *sandbox, const struct sandbox_request *request,
                  struct sandbox_reply *reply);
void broker_find(struct sandbox *sandbox, const struct sandbox_request *request,
                 struct sandbox_reply *reply);
void model_list(struct sandbox *sandbox, const struct sandbox_request *request,
                struct sandbox_reply *reply);
void model_complete(struct sandbox *sandbox, const struct sandbox_request *request,
                    struct sandbox_reply *reply);
void stock_portfolio(struct sandbox *sandbox, struct sandbox_reply *reply);
void stock_order(struct sandbox *sandbox, const struct sandbox_request *request,
                 struct sandbox_reply *reply);
void phone_show(struct sandbox *sandbox, struct sandbox_reply *reply);
void phone_requests(struct sandbox *sandbox, struct sandbox_reply *reply);
void phone_decide(struct sandbox *sandbox, const struct sandbox_request *request,
                  struct sandbox_reply *reply);

/* model_stream.c: the completion as Server-Sent Events, in many small deltas. */
void model_stream(jv completion, bool with_usage, struct sandbox_reply *reply);

/* ping.c: tells the client of the decisions that it has not been told of, if there is a notify_url.
 * Called without the lock, now and then. */
void ping_send(struct sandbox *sandbox);
void ping_stop(void);

/* faults.c: these faults, the text of a JSON array, take the place of those before. False if it is
 * not one, and nothing has changed. */
bool faults_set(struct sandbox *sandbox, const char *text, size_t size);
void faults_post(struct sandbox *sandbox, const struct sandbox_request *request,
                 struct sandbox_reply *reply);

/* faults.c: whether a fault is due for this path; then the reply is set by it. With `after`,
 * only those that take effect behind a handled request. */
bool fault_due(struct sandbox *sandbox, const char *path, bool after, struct sandbox_reply *reply);

/* server.c: listens on a free (or the given) port of 127.0.0.1, with TLS if `certificate` and `key`
 * (PEM text) are given, and sets origin, host and issuer. False and an error if it cannot. */
bool server_start(struct sandbox *sandbox, unsigned short port, const char *certificate,
                  const char *key, struct error *error);
void server_stop(void);

#endif
