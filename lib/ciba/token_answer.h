/* Learning the decision on a pending request, CIBA Core 1.0 §10 to §12: the token request, its
 * answers, and notifications. */
#ifndef CIBA_CIBA_TOKEN_ANSWER_H
#define CIBA_CIBA_TOKEN_ANSWER_H

#include "oauth/client.h"

#include <jv.h>
#include <stdbool.h>

/* The token request for a pending request (§10.1), for the caller to send to the token endpoint and
 * free. False and an error if the client cannot authenticate itself. */
bool ciba_poll_message(const struct client *client, const char *url, const char *auth_req_id,
                       struct client_message *message, struct error *error);

/* Whether the answer says that the user has not decided yet (§11). slow_down increases *interval by
 * 5 s, or to Retry-After if that is longer. */
bool ciba_still_pending(struct client *client, const struct http_answer *answer, double *interval);

enum ciba_next {
    CIBA_DECIDED, /* the call is settled */
    CIBA_PENDING, /* for a notification: a token request will tell */
    CIBA_AGAIN,   /* retry at once, only once: the provider wants its nonce in the DPoP proof (RFC
                     9449 §8) */
    CIBA_TROUBLE  /* no answer about the user: retry after growing waits */
};

/* Reads any other answer to a token request (§10.1.1, §11). Takes the call and returns it: approved
 * with a `token`, if its ID token is valid; denied, expired, failed; or pending. *error is the
 * message for a failed call and for trouble. */
jv ciba_poll_answer(struct client *client, jv call, const struct http_answer *answer,
                    enum ciba_next *next, struct error *error);

/* Reads a notification for a pending call. A ping (§10.2) has only the auth_req_id: returns the
 * call unchanged, and a token request is due. A push (§10.3) has the tokens or the error (§12) and
 * settles the call as a token answer does; its ID token must be valid by §10.3.1. For another
 * request's notification *next is CIBA_TROUBLE, with an error. Takes the call. */
jv ciba_take_notification(struct client *client, jv call, jv notification, enum ciba_next *next,
                          struct error *error);

#endif
