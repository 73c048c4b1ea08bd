/* A process of a stage, as the engine sees it: what it says (stage_messages.h), what it writes, and
 * how it ends. Nothing here waits for it, and it can neither make us wait nor make us grow. It is
 * either one of our commands, says HELLO and works on many documents, or any program, which reads
 * the document for which it was started from stdin and writes it to stdout. */
#ifndef CIBA_AGENT_STAGE_PROCESS_H
#define CIBA_AGENT_STAGE_PROCESS_H

#include "base/text.h"
#include "document/stage_messages.h"
#include "system/program_helper.h"

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

/* Who speaks: the process itself, or the command within it whose turn it is. */
enum stage_speaker { STAGE_ITSELF, STAGE_WITHIN, STAGE_SPEAKERS };

struct stage_peer {
    struct frames frames;
    bool open;
    bool closing; /* it sends nothing more */
};

enum {
    STAGE_KNOCKS = 16,                      /* commands that wait for their turn */
    STAGE_DESCRIPTORS = STAGE_SPEAKERS + 4, /* to be watched */
    STAGE_WORDS = sizeof((struct process_end *)0)->last_words /* the size of last words */
};

struct stage_process {
    struct stage_process *next;
    size_t stage;         /* of the pipeline, counted from 0 */
    const char *name;     /* of the program */
    uint32_t number;      /* of the document for which it was started */
    double started_at;    /* elapsed time */
    size_t documents;     /* that it has; counted by the engine */
    bool hello, many;     /* it works on many documents; at a time */
    bool retired;         /* it gets no more documents */
    bool over;            /* it has ended, and all it said was heard */
    int exit_status;      /* then, as in a shell */
    bool unseen;          /* then: nobody saw how it ended, and it may be running still */
    bool not_started;     /* then: it could not be started */
    struct error problem; /* why not; or for what it was cut off, if the status is not 0 */
    bool too_large;       /* it wrote more than a document can have */
    struct text output;   /* what it wrote to stdout, if it said no HELLO */
    size_t heard;         /* the size of the message that was heard last, in bytes */

    /* Not for others. */
    struct stage_peer peers[STAGE_SPEAKERS];
    unsigned turn; /* the number of the command within that speaks */
    int knocks[STAGE_KNOCKS];
    size_t knock_count;
    int in, out, err, connection;
    char *input;
    size_t input_size, input_sent;
    char words[STAGE_WORDS], told[STAGE_WORDS], line[STAGE_WORDS];
    size_t line_size;
    bool ended;
    double ended_at, kill_at; /* elapsed time; 0 for never */
};

/* Starts one, with a document as its stdin; takes `input`. NULL and an error with status 69 or 70;
 * that its program could not be started comes later. */
struct stage_process *stage_process_start(const struct program_helper *helper, size_t stage,
                                          uint32_t number, char *input, struct error *error);
/* Forgets it, running or not: it gets the end of its streams. */
void stage_process_free(struct stage_process *process);

/* What to poll for it; unused ones have the descriptor -1. */
void stage_process_watch(const struct stage_process *process, struct pollfd *watched);
/* Reads and writes what can be had without waiting. */
void stage_process_exchange(struct stage_process *process, const struct pollfd *watched);
/* The elapsed time at which to do that even if nothing was polled; INFINITY for none. */
double stage_process_due(const struct stage_process *process);

/* The next message that has arrived, and who sent it: the caller frees it. False if there is none.
 * Whoever breaks the protocol is cut off. */
bool stage_process_hear(struct stage_process *process, struct stage_message *message,
                        enum stage_speaker *speaker);

/* Sends a message as far as nothing has to be waited for, the rest later. The message stays the
 * caller's. */
void stage_process_tell(struct stage_process *process, enum stage_speaker speaker,
                        const struct stage_message *message);

/* It said HELLO. */
void stage_process_greet(struct stage_process *process, bool many);

/* Takes the end of a command that knocked. */
void stage_process_admit(struct stage_process *process, int descriptor);
/* Whether a command within has its turn from now on: it waits for its JOURNAL. */
bool stage_process_next_within(struct stage_process *process);

/* The last line on stderr since the last call, "" for none. Valid until something else is called
 * for this process. */
const char *stage_process_words(struct stage_process *process);

/* It is given no more documents, and its socket is closed: it may finish for some seconds. */
void stage_process_retire(struct stage_process *process);
/* The same; it is asked to end, but its socket stays open. */
void stage_process_stop(struct stage_process *process);
/* It is killed, and nothing more of it is heard. */
void stage_process_cut_off(struct stage_process *process, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
