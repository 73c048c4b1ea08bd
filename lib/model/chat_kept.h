/* What a server leaves in its answers that OpenAI's form does not have (reasoning_content,
 * reasoning, reasoning_details, thinking parts, extra_content of a tool call …), and where it may
 * go: back to the same server and model, which may need it, and nowhere else, because others
 * refuse what they do not know. A message with such members has `origin`, {"server", "model"}, and
 * in it "refused": true once that server has refused its own. A message without one, from before or
 * from elsewhere, is sent as it is. */
#ifndef CIBA_MODEL_CHAT_KEPT_H
#define CIBA_MODEL_CHAT_KEPT_H

#include "model/chat_api.h"

#include <jv.h>
#include <stdbool.h>

/* The model's message with `origin`, if it has anything that OpenAI's form does not have. Takes
 * it. */
jv chat_kept_mark(const struct chat_wishes *wishes, jv message);

/* The document where what this server has left, and now refuses (CHAT_NO_KEPT), is marked, so that
 * it is not sent in each turn anew. Takes it. */
jv chat_kept_refuse(const struct chat_wishes *wishes, jv document);

/* Whether an answer in the document is so marked, of the server and model that this request goes
 * to. */
bool chat_kept_was_refused(const struct chat_wishes *wishes, jv document);

/* Whether what the message keeps may go where this request goes. */
bool chat_kept_fits(const struct chat_wishes *wishes, jv message);

/* What a dialect keeps in its own member of the message, if it may go where this request goes; else
 * invalid. */
jv chat_kept_own(const struct chat_wishes *wishes, jv message, const char *own_member);

/* A message as chat completions get it: without what is not for them. Takes it. */
jv chat_kept_message(const struct chat_wishes *wishes, jv message);

/* Whether a server's words name something that an answer in the messages has left: a member, or the
 * type of a part. */
bool chat_kept_named(jv messages, const char *words);

#endif
