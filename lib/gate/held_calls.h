/* What has no answer yet: calls of gated tools that wait for the user, or that went on to the
 * server; what the client asked about a task (tasks.h); calls that the server has for a task. */
#ifndef CIBA_GATE_HELD_CALLS_H
#define CIBA_GATE_HELD_CALLS_H

#include "json/span.h"

#include <stdbool.h>
#include <stddef.h>

struct held_call {
    struct held_call *previous, *next;
    unsigned long number; /* between the relay and the asker */
    struct json_span id;  /* as it came; in `line` */
    struct json_span
        progress; /* the token for notifications of progress, if asked for; in `line` */
    char *line;   /* the call as it came, with its newline */
    size_t size;
    char *task;       /* the name of the task that the server has it for, else NULL */
    const char *user; /* who was asked, NULL until then; in gate.h's users */
    double until;     /* when the question expires, as clock_elapsed */
    unsigned ticks;   /* notifications of progress sent */
    bool passed;      /* the server has it */
    bool queries;     /* it asks about a task: the asker answers it */
    bool stateless;   /* the client speaks 2026-07-28 or newer */
    char id_key[];    /* mcp_id_key */
};

struct held_calls {
    struct held_call *first;
    void *by_id, *by_number; /* trees of tsearch(3) */
    unsigned long last;      /* the number of the newest */
    size_t count, waiting;   /* of all; of those that the server does not have */
    size_t progressing;      /* of those that wait, whose client asked for progress */
    size_t size;             /* of their lines, in bytes */
};

/* Adds a call, which gets a number; takes nothing: id and progress must be parts of `line`, which
 * is copied. NULL if a call with that id is there. */
struct held_call *held_calls_add(struct held_calls *calls, struct json_span line,
                                 struct json_span id, struct json_span progress);

/* NULL if there is none. */
struct held_call *held_calls_by_id(const struct held_calls *calls, struct json_span id);
struct held_call *held_calls_by_number(const struct held_calls *calls, unsigned long number);

/* The server has it from now on; its line is freed but for the id. */
void held_calls_pass(struct held_calls *calls, struct held_call *call);

/* Removes and frees it. */
void held_calls_remove(struct held_calls *calls, struct held_call *call);

#endif
