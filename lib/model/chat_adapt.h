/* What a server's words say that it does not take, or wants: requests are changed by it and sent
 * again. No table of servers and models is needed for that, and none gets out of date. */
#ifndef CIBA_MODEL_CHAT_ADAPT_H
#define CIBA_MODEL_CHAT_ADAPT_H

#include "model/chat_api.h"

#include <jv.h>
#include <stdbool.h>

/* Whether an error (its JSON body) says what a request of the document, with this body, must be
 * like. Then it is set in wishes->learned and other wishes, or in *changes: an object of members
 * that the server does not know, with the names that it knows, or null. Each is learned once. */
bool chat_adapt(const struct chat_api *api, struct chat_wishes *wishes, jv *changes, jv body,
                jv document, jv failure);

/* The body with these changes. Takes it. */
jv chat_adapt_body(jv changes, jv body);

/* Whether the error says that the model, or tools with it, are only at /responses. */
bool chat_adapt_wants_responses(jv failure);

/* The name of a member of -o that the error quotes; the caller frees, NULL for none. */
char *chat_adapt_blames(jv members, jv failure);

/* Whether it says that tools work without reasoning. */
bool chat_adapt_wants_no_reasoning(jv failure);

#endif
