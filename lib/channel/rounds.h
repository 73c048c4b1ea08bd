/* What is done beside the answers to requests: users are told of their questions, Keycloak of its
 * answers, and what has expired is removed. */
#ifndef CIBA_CHANNEL_ROUNDS_H
#define CIBA_CHANNEL_ROUNDS_H

#include "channel/channel.h"
#include "ciba/notifier.h"

enum { CALLBACK_SECONDS = 10 /* for one callback, unless --max-time says otherwise */ };

/* Does what is due for the question of that name, or for all. `notifier` runs
 * channel->notify_command, NULL if that is NULL. Several processes can do so at the same time: each
 * try is claimed before it is made. Reports what fails, and returns the exit status: 69 if a
 * callback or a notice failed, and 75 if Keycloak may not have stored the request yet; what can be
 * tried again will be. */
int rounds_make(const struct channel *channel, const struct notifier *notifier, const char *name);
int rounds_make_all(const struct channel *channel, const struct notifier *notifier);

#endif
