/* The gate in front of an MCP server: what it knows while it passes lines. The parts are
 * client_lines.h, server_lines.h, asker_lines.h; relay.h moves the bytes. */
#ifndef CIBA_GATE_GATE_H
#define CIBA_GATE_GATE_H

#include "gate/gated_tools.h"
#include "gate/held_calls.h"
#include "gate/id_set.h"
#include "gate/outlet.h"
#include "mcp/lines.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    GATE_LINE_LIMIT = 64 << 20,   /* bytes of a line */
    GATE_CALL_LIMIT = 8 << 20,    /* bytes of the line of a call that is held */
    GATE_REQUESTS_LIMIT = 100000, /* requests of the client that the server has not answered */
    GATE_TOKEN_LIMIT = 1024,      /* bytes of a progressToken; longer ones are told nothing */
    GATE_BATCH_LIMIT = 1000,      /* messages in a batch of the client */
    GATE_REPORTS_LIMIT = 100,     /* lines on stderr about what a peer did wrong */
    GATE_HELD_LIMIT = 64 << 20,   /* bytes of all lines that are held */
    GATE_CALLS_LIMIT = 20000,     /* calls that are held at a time */
    GATE_LISTS_LIMIT = 1000       /* requests under way whose answers get an addition */
};

/* A request whose answer is awaited, because something is added to it. */
struct gate_list {
    char *id_key;
    enum { TOOLS_FIRST_PAGE, TOOLS_NEXT_PAGE, DISCOVERY } kind;
};

/* A name of who was asked: most calls have the same. */
struct gate_user {
    struct gate_user *next;
    char name[];
};

struct gate {
    struct gated_tools *tools;
    struct held_calls held;
    struct id_set passed; /* the ids of the client's other requests that the server has */
    struct gate_list lists[GATE_LISTS_LIMIT];
    size_t list_count;
    struct lines from_client, from_server, from_asker;
    struct outlet to_client, to_server, to_asker;
    struct text answers; /* our own lines for the client, which must not break another line */
    bool asks;           /* the asker is there, and the client */
    bool grants;         /* the server is permission_server.h's */
    bool has_tasks;      /* calls become tasks (tasks.h) where the client knows tasks */
    struct gate_user *users;
    unsigned reports; /* so far */
};

/* Reports what a peer did wrong; only GATE_REPORTS_LIMIT times, so that a peer cannot fill the log,
 * nor stop the gate where nobody reads its stderr. */
void gate_report(struct gate *gate, const char *peer, const char *what);

#define GATE_TASKS_EXTENSION "io.modelcontextprotocol/tasks"

/* The result of a gated call that says no; the caller frees. */
char *gate_refusal(const struct gate *gate, const char *why, bool stateless);

/* The name, kept as long as the gate. */
const char *gate_user(struct gate *gate, const char *name);

/* Answers a gated call with a refusal, and forgets it. */
void gate_refuse(struct gate *gate, struct held_call *call, const char *why);

/* Tells how long a call waits, if its client asked for progress and the user was asked; and so for
 * all. */
void gate_tell_progress(struct gate *gate, struct held_call *call);
void gate_tell_all_progress(struct gate *gate);

/* Whether an answer to this id gets an addition; sets *kind, as in `lists`, and forgets it. */
bool gate_take_list(struct gate *gate, struct json_span id, int *kind);

/* Forgets the oldest of them. */
void gate_drop_list(struct gate *gate);

void gate_free(struct gate *gate);

#endif
