/* The calls that a model's tool calls become, once their arguments are what their tools allow. */
#ifndef CIBA_MODEL_TOOL_CALLS_H
#define CIBA_MODEL_TOOL_CALLS_H

#include "base/error.h"

#include <jv.h>
#include <stdbool.h>

enum { TOOL_CALLS_LIMIT = 128 }; /* tool calls of one answer */

/* The error of an answer that has more. Returns false. */
bool tool_calls_too_many(struct error *error);

/* Appends a call to *calls for each tool call of the message, and returns the tool calls as they go
 * back to the server: each with an id of its own and its arguments as text. A call of a tool that
 * is not defined, or whose arguments are not what its schema allows, or cannot be checked by
 * `deadline` (schema.h), gets the reason as its result at once, which goes back to the model. The
 * first few such are reported. Tools and message stay the caller's. */
jv tool_calls_take(jv tools, jv message, double deadline, jv *calls);

/* The messages with ids of nine letters and digits, as Mistral wants them, alike in calls and
 * results. Takes them. */
jv tool_calls_short_ids(jv messages);

/* Items of an answer as another API has them, with the ids that its calls have in the message: of
 * the items of that type, in their order, the member gets the id; none changes if their number is
 * not the same. For servers that count ids anew in each answer. Takes the items. */
jv tool_calls_set_ids(jv message, jv items, const char *type, const char *member);

#endif
