/* Waits for the user's decision on one call. */
#ifndef CIBA_CIBA_DECISION_H
#define CIBA_CIBA_DECISION_H

#include "approval/ledger.h"
#include "oauth/client.h"

#include <jv.h>

/* Waits at most that many seconds (0: no limit), and shows the wait on a terminal. Takes the call,
 * and returns it with the outcome. *status is 0 only if it is approved and that is proven. */
jv decision_wait(struct client *client, struct ledger *ledger, jv call, double max_wait,
                 int *status);

/* The same for a call whose approval authorizer_call took from the store (--reuse, --lease): nobody
 * is waited for; the approval is checked as before an execution, its ID token without its expiry.
 */
jv decision_reused(struct client *client, struct ledger *ledger, jv call, int *status);

#endif
