/* Who is at the page: never who the link was for, only who has logged in. */
#ifndef CIBA_CHANNEL_USER_H
#define CIBA_CHANNEL_USER_H

#include "channel/channel.h"
#include "http/server_request.h"

/* The user that the web server names, or the claim of the proxy's token, whose signature, issuer,
 * audience and times are checked; the caller frees. NULL and an error: 77 if there is none, 69 if
 * the issuer's keys cannot be had. */
char *channel_user(struct channel *channel, const struct server_request *request,
                   struct error *error);

#endif
