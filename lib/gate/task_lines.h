/* Tasks (tasks.h), from the gate's side: what the client asks about them, and the calls that the
 * server is given for them. MCP, Tasks extension (SEP-2663). */
#ifndef CIBA_GATE_TASK_LINES_H
#define CIBA_GATE_TASK_LINES_H

#include "gate/gate.h"
#include "mcp/message.h"

/* Whether a call with these params is to become a task: the client says with it that it knows
 * tasks. */
bool task_is_wanted(const struct gate *gate, struct json_span params);

/* Whether that is the id of one of our tasks. */
bool task_is_ours(const char *id);

/* Has the asker answer tasks/get, tasks/cancel or tasks/update, and answers that there is none to
 * any other method of tasks, if the task is one of ours: then true. Others are the server's. */
bool task_query(struct gate *gate, const struct mcp_message *message);

/* Answers the client with what a line of the asker tells about a task. */
void task_told(struct gate *gate, struct held_call *call, struct json_span line);

/* Gives the server the call of a task that the user has approved, as a request of our own: without
 * the client's progressToken, and without its word that it knows tasks. */
void task_run(struct gate *gate, struct json_span line);

/* The server has answered such a call, or will not any more: then the message has neither result
 * nor error. Takes the call. */
void task_ran(struct gate *gate, struct held_call *call, const struct mcp_message *message);

/* Adds the server's answer to server/discover, with the extension among its capabilities. */
void task_discovery(struct json_span message, struct json_span result, struct text *to);

#endif
