/* What the engine knows; engine.h says what it does. Each turn of its loop has four parts: it hears
 * what the stages say and puts it into the store (engine_hear.c), commits all of it at once, tells
 * the stages what became of it (engine.c), and gives documents to stages (engine_give.c). */
#ifndef CIBA_AGENT_ENGINE_STATE_H
#define CIBA_AGENT_ENGINE_STATE_H

#include "agent/engine_settings.h"
#include "agent/stage_process.h"
#include "agent/store.h"
#include "agent/work.h"
#include "base/text.h"

#include <jv.h>
#include <stdbool.h>
#include <stdint.h>

enum flight_state {
    FLIGHT_WAITS,     /* for a process of its stage */
    FLIGHT_WORKED_ON, /* a process has it */
    FLIGHT_SAVED,     /* with the next commit; then it waits for a process */
    FLIGHT_RETURNS,   /* with the next commit it is put back */
    FLIGHT_STUCK      /* it could not be saved, and is to be put back when that is possible */
};

/* A document that this process has. */
struct flight {
    struct flight *next;
    uint32_t number; /* its name in messages to stages */
    char *name;
    struct held *held;
    struct work work;
    struct text lines; /* of its journal's entries */
    bool knows_lines;
    enum flight_state state;
    double waits_since; /* elapsed time; while it waits for a process */
    struct stage_process *process;
    double deadline;        /* elapsed time; 0 for none */
    bool late;              /* the stage has had it for too long */
    bool troubled;          /* it was told that it cannot be saved */
    bool asks;              /* the stage waits for an answer about it */
    size_t requests, bytes; /* of its stage so far */
    struct work_next after; /* the commit */
    /* Of a request that is answered after the commit. */
    struct stage_process *asker;
    enum stage_speaker speaker;
    unsigned turn;
    /* What was answered, or given to the next stage, before the commit that it rides with: an array
     * of entries and of objects with `records`. If that is refused, `unwritten` says why, nothing
     * more is begun, and it is put in again with the document. */
    jv riding;
    bool passed_on; /* the document itself rides */
    struct error unwritten;
    bool spends, again;
    enum store_spent spent;
};

/* What is known of the program of a stage. */
enum stage_nature {
    NATURE_UNKNOWN,
    NATURE_FOREIGN, /* it takes one document and ends */
    NATURE_SINGLE,  /* one of our commands: one document at a time */
    NATURE_MANY     /* many at a time */
};

/* For so long a process may be what the others of its stage need not be started for: seconds. */
#define NATURE_SECONDS 0.5
/* A document waits for a process that has another at least so long before one more is started. */
#define PATIENCE_SECONDS 0.05

struct engine {
    const struct engine_settings *settings;
    struct store *store;
    struct flight *flights;          /* in the order in which they came */
    struct stage_process *processes; /* the oldest first */
    size_t flight_count;
    uint32_t last_number;
    enum stage_nature *natures; /* of each stage */
    double *starts;             /* how long its last process took to start */
    jv returned;                /* the names of documents that were put back: an object */
    bool left;                  /* documents are in the queue that are not taken in this run */
    bool put;                   /* something is to be committed */
    bool awaited;               /* and somebody waits for that */
    double put_since;           /* if not: elapsed time */
    bool look;                  /* there may be documents to take */
    double room_since;          /* elapsed time: there is room for more than before */
    bool troubled;              /* documents cannot be taken */
    bool interrupted;           /* by a signal */
    bool stopping;              /* it takes no more documents, and ends as soon as it can */
    double stop_at;             /* then: elapsed time after which no stage is waited for */
    bool lost;                  /* nothing may be written any more */
    double next_beat;
    int status;
};

/* engine_hear.c */

/* Hears all that has arrived from a process, and its end. */
void engine_hear(struct engine *engine, struct stage_process *process);

/* Puts in what comes next for a document, after its stage. */
void engine_plan(struct engine *engine, struct flight *flight, struct work_next next);

/* It cannot go on, or is not to: it takes no more documents. */
void engine_stop(struct engine *engine);

/* engine_commit.c */

void engine_free_flight(struct flight *flight);

/* Something was put in that need not be written at once. */
void engine_put(struct engine *engine);

/* Answers a request: it is written, or will be before anything that follows; or else `error`. */
void engine_answer(struct flight *flight, const struct error *error);

/* Whether a request of that speaker may be answered before it is written. Then it has been put in,
 * and is answered. Takes nothing of the message. */
bool engine_rides(struct engine *engine, struct flight *flight, enum stage_speaker speaker,
                  const struct stage_message *message);

/* Whether a document that is saved goes to its next stage before that is durable. */
bool engine_passes_on(const struct engine *engine, const struct flight *flight);

/* Puts in again what a refused commit had of the document. */
void engine_put_again(struct engine *engine, struct flight *flight);

/* When what is put in is to be committed: elapsed time; INFINITY for nothing. */
double engine_commit_due(const struct engine *engine);

/* Makes durable all that was put in, and tells the stages what became of it. */
void engine_commit(struct engine *engine);

/* engine_give.c */

/* Sets what audit records say of the document: its name, and the spool. */
void engine_say_place(const struct engine *engine, const struct flight *flight,
                      struct stage_message *message);

/* The document waits for a process of its stage from now on. */
void engine_wait(struct flight *flight);

/* When it has waited long enough for one more process: elapsed time. */
double engine_patience(const struct engine *engine, const struct flight *flight);

/* Gives documents that wait to processes, and starts these. */
void engine_give(struct engine *engine);

/* The document's journal has one more entry, with this text. */
void engine_add_line(struct flight *flight, const char *entry);

/* The descriptor of the document's lock for a process (store.h), -1 for none. */
int engine_lock(const struct engine *engine, const struct flight *flight, bool outlives);

/* Gives a document to a process that has just said HELLO. */
void engine_hand_over(struct engine *engine, struct flight *flight, struct stage_process *process);

#endif
