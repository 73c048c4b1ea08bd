/* A process that makes the rounds (rounds.h) for a command that answers one request. It is forked
 * before the command gives up its rights, waits without doing anything, and lives on after the
 * command's end, so that neither Keycloak nor the user waits for it. It keeps none of the
 * command's streams: a web server sees the end of the answer. */
#ifndef CIBA_CHANNEL_ASSISTANT_H
#define CIBA_CHANNEL_ASSISTANT_H

#include "channel/channel.h"
#include "ciba/notifier.h"

#include <stdbool.h>

struct assistant {
    int socket;
    bool went; /* it makes the rounds, or has made them */
};

/* Forks it. It gives up its own rights. The channel stays the caller's. False and an error with
 * status 70. */
bool assistant_start(struct assistant *assistant, const struct channel *channel,
                     const struct confinement *needs, struct error *error);

/* Has it make the rounds, for the question of that name first (NULL for none); a second
 * time nothing happens. Without this it ends when the command does. */
void assistant_go(struct assistant *assistant, const char *name);

/* Waits until it is through with that question, so many seconds at most. */
void assistant_wait(const struct assistant *assistant, double seconds);

/* Waits for its end, if it makes the rounds. */
void assistant_join(const struct assistant *assistant);

/* Prepares a process that makes the rounds: starts the notifier, sets *notifier to it or,
 * without a notifier, to NULL, and adds what the rounds need. False and an error. */
bool assistant_prepare(const struct channel *channel, struct confinement *needs,
                       const struct notifier **notifier, struct error *error);

#endif
