/* A command as a stage of agent-spool, whose engine alone writes anything down (the protocol is in
 * stage_messages.h). What a process is, stage_role() says (stage_socket.h): the stage itself gets
 * its documents here and gives them back here; an inner command of a program that is not ours reads
 * and writes them as always, and only has its journal here.
 *
 * An engine that is gone, or breaks the protocol, is the same to a stage: every request fails with
 * status 74 from then on, so that nothing more is begun. */
#ifndef CIBA_DOCUMENT_STAGE_H
#define CIBA_DOCUMENT_STAGE_H

#include "base/error.h"
#include "document/stage_messages.h"
#include "system/stage_socket.h"

#include <jv.h>
#include <stdbool.h>
#include <stdint.h>

/* A document that the stage has, from when it came until its result is given back. */
struct stage_document {
    uint32_t number;
    jv document;        /* as it came; whoever works on it takes it. Invalid for an inner command */
    jv entries;         /* of its journal, an array; whoever opens that takes them */
    bool audit;         /* audit records go to the engine */
    char *name, *spool; /* of the document, for these records; NULL if unknown */
    int status;         /* what the engine refused: the result's status is not better */
    /* What only stage.c looks at. */
    struct stage_document *next, *after;
    struct stage_message *answer; /* where the answer is waited for, NULL if it is not */
    struct frame *waiting;        /* to be sent when what was sent is answered */
    size_t waiting_count;
    bool is_asking;
    int lock; /* -1 for none */
};

/* The stage's own side: says HELLO; `many` if it takes a document while it has others. False and an
 * error with status 74. */
bool stage_open(bool many, struct error *error);
bool stage_is_many(void);

/* Waits for the next document. NULL when there are no more: then error->status is 0, or 74 if the
 * engine broke the protocol. */
struct stage_document *stage_next(struct error *error);

/* The next document that has come already, NULL if none has. */
struct stage_document *stage_come(void);

/* Reads what has come on stage_socket(), without waiting, and sends what was waiting for that.
 * False when no more comes: then error->status is 0, or 74. */
bool stage_receive(struct error *error);

/* Whether nothing was heard yet of an end of the engine. Asks the socket. */
bool stage_engine_lives(void);

/* An inner command's: waits for its turn with the journal of the document that its program has. The
 * same document each time. NULL and an error with status 74. */
struct stage_document *stage_knock(struct error *error);

/* The document that is being worked on, NULL for none. */
struct stage_document *stage_current(void);
void stage_work_on(struct stage_document *document);

/* Sends an intent or an outcome about the document, and waits for the answer: WRITTEN, which goes
 * to *answer if that is not NULL (the caller frees it). False and an error: with the engine's words
 * and status if it refused, or 74 if it is gone. Then it is not written down. */
bool stage_ask(struct stage_document *document, const struct stage_message *message,
               struct stage_message *answer, struct error *error);

/* Sends it when all before it is answered, and does not wait: for what no effect depends on. A
 * refusal is reported, and goes into the document's status. */
void stage_tell(struct stage_document *document, const struct stage_message *message);

/* Waits until all that was told is answered. False and an error with status 74 if the engine is
 * gone: then it may not be written down. */
bool stage_settle(struct stage_document *document, struct error *error);

/* Gives the document back when all before is answered: `outcome`, which is taken, or nothing if it
 * is invalid; without `changed` the document as it came. Frees the document. False and an error
 * with status 74 if it cannot be given back. */
bool stage_give_back(struct stage_document *document, jv outcome, bool changed, int status,
                     struct error *error);

/* This process can do no more work (what it works with has ended): it ends after the document that
 * it has, and the engine starts another. */
void stage_leave(void);
bool stage_is_leaving(void);

#endif
