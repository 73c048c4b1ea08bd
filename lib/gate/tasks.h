/* Calls of gated tools as tasks (MCP's Tasks extension, SEP-2663): documents of an agent spool
 * (agent_spool.h), so that a task outlives the processes that work on it. Its member `mcp` has what
 * MCP needs beside the call:
 *
 *     params       the params of tools/call, the text as it came
 *     status       working, completed, failed, cancelled; working until the server has answered
 *     begun        true from before the server is given the call
 *     result       the text of the result of tools/call; or
 *     error        the text of a JSON-RPC error
 *     created_at, updated_at   as MCP writes them
 *     seal         over the members above, the name, the server and the working directory: without
 *                  it, it is none of our tasks, and stays as it is
 *
 * The user is asked about a task while a gate is there that has the task claimed: the one that made
 * it, or one whose client asks for it. A call that was begun, and has no result, is not given to a
 * server again. */
#ifndef CIBA_GATE_TASKS_H
#define CIBA_GATE_TASKS_H

#include "agent/agent_spool.h"
#include "system/confinement.h"

#include <jv.h>
#include <stdbool.h>

/* A task that this process works on. */
struct task {
    struct task *next;
    char *name; /* of the document */
    unsigned long
        number; /* of the call that it was made of, between gate and asker; 0 if unknown */
    int claim;
    jv document;
};

struct tasks {
    struct agent_spool spool;
    const char *directory; /* NULL for none: there are no tasks then */
    int home;              /* the working directory: paths of other files are relative to it */
    struct task *first;
    const char *seal_key, *server; /* for the seal; set by the owner */
};

/* Opens the spool, which is made if it is missing. False and an error: 66, 74 or 78. */
bool tasks_open(struct tasks *tasks, const char *directory, struct error *error);
void tasks_close(struct tasks *tasks);
void tasks_needs(const struct tasks *tasks, struct confinement *needs);

/* Adds a task with this call, and this text of its params; when this returns, it is on the disk.
 * NULL and an error. Takes the call. */
struct task *tasks_add(struct tasks *tasks, jv call, const char *params, struct error *error);

/* The task of that name that this process works on; NULL if there is none. */
struct task *tasks_find(const struct tasks *tasks, const char *name);

/* Claims a task that nobody works on. NULL and an error: 75 if another process does, 66 if there is
 * none that is to be worked on. */
struct task *tasks_claim(struct tasks *tasks, const char *name, struct error *error);

/* Its call, and its params' text, which lives as long as the task. */
jv task_call(const struct task *task);
const char *task_params(const struct task *task);
bool task_is_begun(const struct task *task);

/* Changes its call, which it takes; to be written down by what follows. The access token is left
 * out: the server has no use for it. */
void task_put_call(struct task *task, jv call);

/* The same, and writes it down. */
bool task_save(struct tasks *tasks, struct task *task, jv call, struct error *error);

/* The same, and that the server will be given it. */
bool task_begin(struct tasks *tasks, struct task *task, jv call, struct error *error);

/* Writes down what came of it, and lets it go: `member` is result or error, `text` its JSON; NULL
 * and "cancelled". Takes the task. */
bool task_finish(struct tasks *tasks, struct task *task, const char *status, const char *member,
                 const char *text, struct error *error);

/* Lets it go as it is. */
void task_release(struct tasks *tasks, struct task *task);

/* The result of tasks/get for a name, as JSON text, with `message` about a task that is worked on;
 * the caller frees. NULL if there is none. */
char *tasks_describe(struct tasks *tasks, const char *name, const char *message);

/* The members that each description of a task has, without the braces; the caller frees. */
char *task_members(const struct task *task, const char *message);

#endif
