/* The channel's side to the web: the addresses of ciba-channel(1), for Keycloak and for users'
 * browsers, and what is answered there. */
#ifndef CIBA_CHANNEL_SITE_H
#define CIBA_CHANNEL_SITE_H

#include "base/text.h"
#include "channel/assistant.h"
#include "channel/channel.h"
#include "http/server_request.h"

#include <stdbool.h>

struct site {
    struct channel *channel;
    struct assistant *assistant; /* started; site_answer may have it make the rounds already */
    bool is_http; /* the request's path may begin with that of channel->url: no web server has
                     taken it off */
};

/* What is answered to a request. */
struct site_reply {
    int status;
    struct text page; /* empty: no body */
    char nonce[40];   /* of the page's style */
    bool go;          /* after the answer, the assistant is to make the rounds, */
    char *first;      /* for this question first; NULL for none */
};

/* Does what the request asks for, and fills in the reply, which was {.status = 0}: it always has a
 * status afterwards. Reports on stderr what failed. Free it with site_reply_free. */
void site_answer(const struct site *site, const struct server_request *request,
                 struct site_reply *reply);
void site_reply_free(struct site_reply *reply);

/* The header lines for it, each with CRLF at its end; the caller frees. */
char *site_header_lines(const struct site_reply *reply);

#endif
