/* OpenID Connect Client-Initiated Backchannel Authentication, CIBA Core 1.0: the request to the
 * user, and the token request that tells his decision. */
#ifndef CIBA_CIBA_H
#define CIBA_CIBA_H

#include "client.h"

#include <jv.h>
#include <stdbool.h>

enum { LONGEST_INTERVAL = 3600 /* seconds between two polls; more is a server's mistake */ };

/* What the user is asked (CIBA Core §7.1). NULL, 0 and invalid for what is not sent. */
struct ciba_question {
    /* Exactly one of the first four tells who: */
    const char *user; /* the `sub`, sent as login_hint {"format":"iss_sub","iss":…,"sub":…} */
    const char *login_hint; /* as it is */
    const char *login_hint_token, *id_token_hint;
    const char *scope, *audience, *binding_message, *acr_values, *user_code;
    long requested_expiry;          /* seconds */
    jv authorization_details;       /* an array (RFC 9396); stays the caller's */
    jv resources;                   /* an array of strings (RFC 8707); stays the caller's */
    jv more;                        /* an object of strings, a provider's own; stays the caller's */
    const char *notification_token; /* for ping (§7.1): its digest is recorded, not the token */
    bool any_message;               /* do not ask whether the provider takes the message */
    bool is_signed;                 /* send all of it as a signed `request` (§7.1.1) */
};

/* The scopes with `openid`, which every CIBA request must have (§7.1); the caller frees. */
char *ciba_scope(const char *scope);

/* The authorization of a call that is to be asked about, before it is: who is asked what, and the
 * call's digest. Its status is failed. */
jv ciba_authorization(const struct client *client, const struct ciba_question *question,
                      const char *digest);

/* For how many seconds a request can be approved, as far as that is known before it is answered. */
double ciba_lifetime(const struct ciba_question *question);

/* The call settled as one of which the request's answer was lost: it may be asked about again from
 * `until` on, when the first request can no longer be approved. Takes the call. */
jv ciba_lost(jv call, double until, const char *why);

/* Asks the issuer to ask the user, once; discovers it first. Takes the call and returns it with an
 * `authorization`: pending; or failed or denied, with the server's words, and then *error says what
 * to do (status as oauth_error_status). */
jv ciba_ask(struct client *client, const struct ciba_question *question, jv call,
            struct error *error);

/* The token request for a pending request (§10.1) to the token endpoint, to be sent and freed by
 * the caller. False and an error if the client cannot authenticate itself. */
bool ciba_poll_message(const struct client *client, const char *url, const char *auth_req_id,
                       struct client_message *message, struct error *error);

/* Whether the answer to it says that the user has not decided yet (§11). slow_down makes *interval
 * 5 s longer, or what Retry-After says if that is more. */
bool ciba_still_pending(struct client *client, const struct http_answer *answer, double *interval);

enum ciba_next {
    CIBA_DECIDED, /* the call is settled */
    CIBA_PENDING, /* of a notification: a token request will tell */
    CIBA_AGAIN,   /* at once, once: the provider wants its nonce in the DPoP proof (RFC 9449 §8) */
    CIBA_TROUBLE  /* no answer about the user: try again, after growing waits */
};

/* Reads any other answer to a token request (§10.1.1, §11). Takes the call and returns it: approved
 * with a `token`, once its ID token holds; denied, expired, failed; or pending. *error says what to
 * tell for a failed call and for trouble. */
jv ciba_poll_answer(struct client *client, jv call, const struct http_answer *answer,
                    enum ciba_next *next, struct error *error);

/* Reads a notification for a pending call. A ping (§10.2) has only the auth_req_id: the call is
 * returned as it is, and it is time for a token request. A push (§10.3) has the tokens or the error
 * (§12), settles the call as a token answer does, and its ID token must hold by §10.3.1. *next is
 * CIBA_TROUBLE, with an error, for one that is for another request. Takes the call. */
jv ciba_take_notification(struct client *client, jv call, jv notification, enum ciba_next *next,
                          struct error *error);

/* The seconds between two polls that the call's authorization asks for: 1 to 3600, 5 if not said.
 */
double ciba_interval(jv call);

#endif
