/* Tasks, from the asker's side (tasks.h). */
#ifndef CIBA_GATE_ASKER_TASKS_H
#define CIBA_GATE_ASKER_TASKS_H

#include "gate/asker_state.h"
#include "json/span.h"

/* Asks about a call as a task: the gate hears of it as soon as it is on the disk. */
void asker_ask_as_task(struct asker *asker, unsigned long number, jv message, jv call);

/* Answers tasks/get, tasks/cancel and tasks/update. Goes on with a task that nobody works on. */
void asker_tell_task(struct asker *asker, unsigned long number, jv message);

/* The server has answered a task's call. */
void asker_take_result(struct asker *asker, struct json_span message);

#endif
