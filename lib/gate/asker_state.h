/* What the asker knows; asker.h says who it is. */
#ifndef CIBA_GATE_ASKER_STATE_H
#define CIBA_GATE_ASKER_STATE_H

#include "ciba/authorizer.h"
#include "ciba/poller.h"
#include "gate/tasks.h"
#include "mcp/lines.h"

#include <jv.h>
#include <stdbool.h>

/* A question of the gate that the user has not been asked yet. */
struct waiting_question {
    struct waiting_question *next;
    unsigned long number;
    char *line;
    size_t size;
};

struct asker {
    int connection;
    bool ended;   /* the gate is gone */
    bool leaving; /* the client is gone */
    struct authorizer authorizer;
    struct tasks tasks;
    struct poller *poller;
    struct lines lines;
    struct waiting_question *first, **last; /* in the order in which they came */
    char *session;                          /* of the ids of its calls */
    char *server; /* which server it is, where it was started, who is asked: JSON text */
    jv asked;     /* the calls that wait for the user, by number: whether a client waits */
    unsigned long abandoned; /* of these, those for which none does */
    unsigned long approved;  /* poller_approved of the calls so far */
};

/* What a question is about: a call that the gate holds, or a task. */
struct subject {
    unsigned long number;
    struct task *task; /* NULL for a call */
};

#endif
