/* Asking the user, OpenID Connect Client-Initiated Backchannel Authentication Core 1.0 §7: the
 * question, the request, and the provider's answer. */
#ifndef CIBA_CIBA_QUESTION_H
#define CIBA_CIBA_QUESTION_H

#include "oauth/client.h"

#include <jv.h>
#include <stdbool.h>

/* What the user is asked (CIBA Core §7.1). NULL, 0 and invalid for what is not sent. */
struct ciba_question {
    /* Exactly one of the first four is set and identifies the user: */
    const char *user; /* a `sub`, sent as login_hint {"format":"iss_sub","iss":…,"sub":…} */
    const char *login_hint; /* as it is */
    const char *login_hint_token, *id_token_hint;
    const char *scope, *audience, *binding_message, *acr_values, *user_code;
    const char *digest; /* of what is asked about, if that is not one call (together.h) */
    const char *bound; /* ends the message, whole: what an approval covers beside this call, such as
                          ", for 15 min, at most 10 times" */
    long requested_expiry;          /* seconds */
    jv authorization_details;       /* an array (RFC 9396); stays the caller's */
    jv resources;                   /* an array of strings (RFC 8707); stays the caller's */
    jv more;                        /* an object of strings, a provider's own; stays the caller's */
    const char *notification_token; /* for ping (§7.1): its digest is recorded, not the token */
    bool any_message;               /* skip the check whether the provider accepts the message */
    bool fit;                       /* make the message fit (fitted_message.h) */
    bool is_signed;                 /* send everything in a signed `request` (§7.1.1) */
};

/* The scopes with `openid`, which every CIBA request needs (§7.1); the caller frees. */
char *ciba_scope(const char *scope);

/* The message and what is bound to it. The caller frees; NULL if there is no message. */
char *question_message(const struct ciba_question *question);

/* The authorization of a call before the user is asked: who is asked what, and the call's digest.
 * Its binding_message is the whole message, its status failed. */
jv ciba_authorization(const struct client *client, const struct ciba_question *question,
                      const char *digest);

/* For how many seconds a request can be approved, as far as known before its answer, and counted
 * from before it is sent. */
double ciba_lifetime(const struct ciba_question *question);

/* The call, settled because its request's answer was lost. It may be asked about again from
 * `until`, when the first request can no longer be approved. Takes the call. */
jv ciba_lost(jv call, double until, const char *why);

/* Asks the issuer once to ask the user; discovers it first. A message that had to be made to fit is
 * told on stderr before, with its code, and stands in the authorization's `message`, beside
 * `message_code` and `message_salt`; `binding_message` is what was sent. Takes the call and returns
 * it with an `authorization`: pending; or failed or denied, with the provider's description, and
 * then *error says what to do (status as oauth_error_status). */
jv ciba_ask(struct client *client, const struct ciba_question *question, jv call,
            struct error *error);

#endif
