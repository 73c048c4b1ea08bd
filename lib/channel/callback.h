/* The answer to Keycloak, at the realm's callback endpoint. */
#ifndef CIBA_CHANNEL_CALLBACK_H
#define CIBA_CHANNEL_CALLBACK_H

#include "channel/channel.h"

#include <stdbool.h>

enum callback_outcome {
    CALLBACK_TAKEN,
    CALLBACK_REFUSED,   /* 400, 401 or 403: final */
    CALLBACK_NOT_TAKEN, /* Keycloak has not seen it, or cannot take it now */
    CALLBACK_UNKNOWN    /* Keycloak may have taken it: nobody knows */
};

/* Sends the answer once, with the token that came with the question. `why` says why it is not
 * taken. Keycloak answers a second callback with 403 and, if the client has not fetched its token
 * by then, cancels the request: an answer that may have been taken must not be repeated before the
 * client has polled. */
enum callback_outcome callback_send(const struct channel *channel, const char *bearer, bool yes,
                                    struct error *why);

#endif
