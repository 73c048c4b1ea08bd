/* Refresh tokens, and what was revoked. */
#ifndef CIBA_SANDBOX_GRANTS_H
#define CIBA_SANDBOX_GRANTS_H

#include "sandbox/approvals.h"
#include "sandbox/sandbox.h"

#include <jv.h>
#include <stdbool.h>

/* A new refresh token for what the user approved; the caller frees. */
char *grant_new_token(struct sandbox *sandbox, const struct approval *approval);

/* Uses up a refresh token: NULL if there is none that holds. One that is used a second time ends
 * all of its approval (RFC 9700 §4.14.2). */
struct approval *grant_use_token(struct sandbox *sandbox, const char *token);

/* Whether a refresh token holds. */
bool grant_token_holds(const struct sandbox *sandbox, const char *token);

/* RFC 7009 §2.1: a refresh token with all tokens of its approval, or an access token with these
 * claims. */
void grant_revoke_refresh_token(struct sandbox *sandbox, const char *token);
void grant_revoke_access_token(struct sandbox *sandbox, jv claims);

/* Whether an access token with these claims was revoked. */
bool grant_is_revoked(const struct sandbox *sandbox, jv claims);

#endif
