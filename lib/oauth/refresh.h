/* Refreshing an access token, RFC 6749 §6, OpenID Connect Core 1.0 §12. */
#ifndef CIBA_OAUTH_REFRESH_H
#define CIBA_OAUTH_REFRESH_H

#include "oauth/client.h"

#include <jv.h>

enum refresh_outcome {
    REFRESHED,
    REFRESH_REFUSED, /* for good: only the user can be asked again */
    REFRESH_FAILED   /* may be tried again, with the same refresh token */
};

/* Has the token of an approved call, which has a refresh_token, replaced. *fresh is the caller's: a
 * token as in the document, with what stays the same if the answer does not say it (scope, ID
 * token, refresh token). It is of the same user and not wider, bound to the same key or
 * certificate, compared with the authorization as the first token was (grant_fault), and a new ID
 * token holds. Otherwise invalid and an error: 1 if the provider does not take the refresh token
 * any more, 76 or 77 if the answer is not what was approved; for REFRESH_FAILED 69, 76, 77 or 78.
 */
enum refresh_outcome token_refresh(struct client *client, jv authorization, jv token, jv *fresh,
                                   struct error *error);

#endif
