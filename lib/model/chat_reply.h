/* Which answers are taken. */
#ifndef CIBA_MODEL_CHAT_REPLY_H
#define CIBA_MODEL_CHAT_REPLY_H

#include "base/error.h"
#include "model/chat_api.h"

#include <stdbool.h>

/* Whether an answer may be taken: it was not filtered, its calls are those of a whole answer that
 * refuses nothing, there are not too many, and they are what the wishes (tool_choice,
 * no_parallel_calls) ask for, which not every server heeds. Reports an answer in words that was cut
 * off. False and an error: 69 cut off, 76 against the wishes or too many calls, 77 filtered or
 * refused. */
bool chat_reply_holds(const struct chat_wishes *wishes, const struct chat_reply *reply,
                      struct error *error);

#endif
