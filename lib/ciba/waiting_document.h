/* The documents that ciba-poll waits with, as the text to be written; a document with many calls as
 * a tree, so that changing one call does not parse and write all others. */
#ifndef CIBA_CIBA_WAITING_DOCUMENT_H
#define CIBA_CIBA_WAITING_DOCUMENT_H

#include "approval/journal.h"

#include <jv.h>
#include <stdbool.h>
#include <stddef.h>

struct waiting_document {
    struct waiting_document *previous, *next;
    char *text;  /* NULL where there is the tree */
    jv tree;     /* invalid where there is the text */
    size_t size; /* of the text when it was kept first */
    int calls;
    int pending; /* calls of it that are waited for */
    int status;  /* what went wrong beside its calls' own status */
    /* In a stage of agent-spool, else NULL. */
    struct stage_document *stage;
    struct journal *journal;
    double deadline; /* when it is given back, as clock_elapsed; INFINITY for never */
    bool late;       /* that time has come */
};

struct waiting_document *waiting_document_new(void);
void waiting_document_free(struct waiting_document *waiting);

/* Takes the document out in its current state, to be kept again or written. */
jv waiting_document_take(struct waiting_document *waiting);

/* The call at that place in its current state. */
jv waiting_document_call(const struct waiting_document *waiting, int index);

/* The document with the call put in at that place. Takes both. */
jv document_put_call(int index, jv document, jv call);

/* Keeps the document's new state; or `text`, its equivalent, if not NULL. Takes both. */
void waiting_document_keep(struct waiting_document *waiting, jv document, char *text);

#endif
