/* The call in a hook event: what the agent wants done. */
#ifndef CIBA_HOOK_HOOK_CALL_H
#define CIBA_HOOK_HOOK_CALL_H

#include "base/error.h"
#include "hook/hosts.h"

#include <jv.h>
#include <stdbool.h>

/* A call of the event: the tool's name, its arguments (numbers as from json_normal), the host's id
 * of the call or one made up. False and an error with status 65 if the event lacks them. */
bool hook_call(const struct hook_event *event, jv input, jv *call, struct error *error);

/* Names the question about the call among all of all hosts, for a file; `who` is what else tells it
 * from others. The caller frees. NULL if the host does not give calls an id. */
char *hook_call_name(const struct hook_event *event, jv input, jv who);

/* The message for a call of the host's shell that is a command line and nothing else but its
 * description, which is the agent's word for it and not shown: "Bash runs ls". It looks like no
 * other call's default message. The caller frees. NULL for other calls. */
char *hook_message(const struct hook_event *event, jv call);

#endif
