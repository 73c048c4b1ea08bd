/* What the model says: it buys what the user asks for, or calls the tool that the user names, and
 * reports the outcome truthfully. */
#ifndef CIBA_SANDBOX_SCRIPT_H
#define CIBA_SANDBOX_SCRIPT_H

#include <jv.h>
#include <stdbool.h>

/* Sets *answer to the assistant's next message, in the form of chat completions, as the
 * conversation is. False if that is not sound: a call without its result, or a result without its
 * call. */
bool script_answer(jv messages, bool has_tools, jv *answer);

#endif
