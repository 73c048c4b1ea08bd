/* What an executor does with the tokens of calls beside using them: refreshes one that has ended,
 * and revokes those whose work is done. Needs a client at the issuer. */
#ifndef CIBA_APPROVAL_TOKEN_KEEPER_H
#define CIBA_APPROVAL_TOKEN_KEEPER_H

#include "approval/ledger.h"
#include "base/error.h"
#include "oauth/client.h"
#include "oauth/refresh.h"
#include "system/confine.h"

#include <jv.h>
#include <stdbool.h>

enum { REFRESH_SECONDS_LIMIT = 432000 /* as long as an API remembers an Idempotency-Key */ };

/* Settings from the command line. */
struct token_settings {
    double refresh_for; /* seconds after the question; 0: tokens are not refreshed */
    bool revoke;
    struct client_settings client;
};

/* clang-format off */
#define TOKEN_OPTIONS(settings) \
    {0, "refresh-for", "SECONDS", OPTION_SECONDS, &(settings).refresh_for, \
     "refresh a token that has ended, up to this time after the question"}, \
    {0, "revoke", NULL, OPTION_FLAG, &(settings).revoke, \
     "revoke the tokens of a call when its work is done"}, \
    CLIENT_OPTIONS((settings).client)
/* clang-format on */

struct token_keeper {
    bool active; /* there is a client: tokens are refreshed or revoked */
    double refresh_for;
    bool revoke;
    struct client client;
    jv renewed; /* an object: the digest of a refresh token, to the token that replaces its */
    jv done;    /* the tokens of calls that have got their results */
};

/* Sets up the client if tokens are to be refreshed or revoked. The ledger is configured already: to
 * refresh needs its seal, which says whose token it is and since when. False and an error with
 * status 64, 66 or 78. Free it with token_keeper_free in either case. */
bool token_keeper_configure(struct token_keeper *keeper, const struct token_settings *settings,
                            const struct ledger *ledger, struct error *error);
void token_keeper_needs(const struct token_keeper *keeper, struct confinement *needs);
void token_keeper_free(struct token_keeper *keeper);

/* Forgets the tokens of the documents so far: a stage works on each as if it were alone. The keeper
 * may be NULL. */
void token_keeper_forget(struct token_keeper *keeper);

/* The call with the token that replaced its own, in this process or, by the journal, in an earlier
 * one. Takes the call. The keeper may be NULL. */
jv token_keeper_recall(const struct token_keeper *keeper, const struct ledger *ledger, jv call);

/* Whether the token of this call, which is what was approved (approval_holds, but for its expiry),
 * may be refreshed: it was asked at the client's issuer, not too long ago, and is not of the store,
 * whose approvals end with their tokens. The keeper may be NULL. */
bool token_keeper_may_renew(const struct token_keeper *keeper, jv call);

/* Refreshes the call's token (token_refresh). The new one is in the journal before anything uses
 * it, and in the call, sealed. False, also if it cannot be recorded (REFRESH_FAILED, status 74),
 * with an error. */
enum refresh_outcome token_keeper_renew(struct token_keeper *keeper, struct ledger *ledger,
                                        jv *call, struct error *error);

/* The call has got its result, and is about to lose its token. The keeper may be NULL. */
void token_keeper_done(struct token_keeper *keeper, jv call);

/* Revokes the tokens of calls that are done, unless another call of the document has the same, or
 * the approval may be used again (reuse, lease). What cannot be revoked is told, and changes
 * nothing. The keeper may be NULL. */
void token_keeper_revoke(struct token_keeper *keeper, jv document);

#endif
