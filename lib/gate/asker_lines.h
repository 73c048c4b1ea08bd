/* Between the gate and its asker (asker.h), from the gate's side. */
#ifndef CIBA_GATE_ASKER_LINES_H
#define CIBA_GATE_ASKER_LINES_H

#include "gate/gate.h"

#define GATE_NOBODY_ASKS                                                                           \
    "not approved: what asks the user has ended; the tool was not called. See the gate's stderr"

/* Has the user asked about a call that was just added, with these params; as a task, if it is to be
 * one. */
void asker_ask(struct gate *gate, const struct held_call *call, struct json_span params,
               bool as_task);

/* Nobody waits for the answer any more. */
void asker_forget(struct gate *gate, const struct held_call *call);

/* Does what a line of the asker says: passes a call on, or refuses it. False if it says nothing
 * that is known. */
bool asker_line(struct gate *gate, struct json_span line);

#endif
