/* The questions of the asker, and what is answered. */
#ifndef CIBA_GATE_ASKER_CALLS_H
#define CIBA_GATE_ASKER_CALLS_H

#include "gate/asker_state.h"

/* Sends a line to the gate, which is freed. */
void asker_say(struct asker *asker, char *line);

/* The call is not approved. Takes the subject's task. */
void asker_say_no(struct asker *asker, const struct subject *subject, const char *reason);

/* Ends a task with a result of tools/call, which is freed. Takes the task. */
void asker_finish_task(struct asker *asker, struct task *task, const char *status, char *result);

/* The call that a message asks about. False and an error if it cannot be asked about; the call is
 * the caller's in either case. */
bool asker_read_call(const struct asker *asker, unsigned long number, jv message, jv *call,
                     struct error *error);

/* Asks about a call, or goes on with what is known of it. Takes the call. */
void asker_ask_user(struct asker *asker, const struct subject *subject, jv call);

/* The user has been asked: waits for their answer. Takes the call. */
void asker_wait_for(struct asker *asker, const struct subject *subject, jv call);

/* The poller's output: a call is decided, or cannot be any more. */
void asker_take_decision(void *asker, jv document, int status);

#endif
