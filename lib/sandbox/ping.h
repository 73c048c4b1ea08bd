/* Notifies the client of decisions: CIBA Core 1.0 §10.2, ping mode. */
#ifndef CIBA_SANDBOX_PING_H
#define CIBA_SANDBOX_PING_H

#include "sandbox/sandbox.h"

/* Sends the notifications that have not been sent, if there is a notify_url. Called without the
 * lock, periodically. */
void ping_send(struct sandbox *sandbox);
void ping_stop(void);

#endif
