/* How one document of a spool passes through the stages of a pipeline: what comes next after each
 * of them. Nothing here is read or written; the engine (engine.h) does what this says. */
#ifndef CIBA_AGENT_WORK_H
#define CIBA_AGENT_WORK_H

#include "base/error.h"

#include <jv.h>
#include <stdbool.h>
#include <stddef.h>

/* What holds for all documents of a run. */
struct work_rules {
    size_t stages;
    double backoff, give_up; /* seconds */
    const char *limit;       /* the option that says how long a stage may have a document */
};

/* A document that is worked on. */
struct work {
    const struct work_rules *rules;
    jv document;  /* without its member `spool` */
    char *text;   /* of that, as JSON; NULL until work_text needs it */
    jv own;       /* that member: the spool's own data */
    size_t stage; /* which has it, or is to have it next, counted from 0 */
    int round;
    bool changed; /* in this round */
};

enum work_step {
    WORK_GIVE,    /* it is the turn of work->stage */
    WORK_KEEP,    /* back to the queue, due at `due` */
    WORK_FINISH,  /* done */
    WORK_ABANDON, /* failed */
};

struct work_next {
    enum work_step step;
    bool differs; /* the document is another than before: it is saved before a stage gets it */
    int status;   /* what it means for the exit status of the run; STATUS_NOT_YET if it stays */
    double due;   /* of WORK_KEEP: seconds since 1970 */
    char *reason; /* of a failure, to be told after it is saved; NULL for none; caller frees */
};

/* How a stage ended that had a document. */
struct work_end {
    const char *program;     /* its name in messages */
    int status;              /* its exit status, as in a shell: 128 plus the number of a signal */
    bool late;               /* it took too long and was asked to end */
    bool unchanged;          /* it gave the document back as it was */
    jv document;             /* what it gave back; invalid for nothing */
    char *text;              /* as JSON, NULL if that is not known */
    const char *no_document; /* why that is invalid */
    const char *words;       /* its last line on stderr, "" for none */
};

/* Begins with a document as saved, which is taken. False and an error with status 65 if it is not
 * to be worked on: another program's or another version's. Then work need not be freed. */
bool work_begin(struct work *work, const struct work_rules *rules, jv document,
                struct error *error);
void work_free(struct work *work);

/* The text of work->document, until that changes. */
const char *work_text(struct work *work);

/* After the stage work->stage. Takes end->document and end->text. */
struct work_next work_ended(struct work *work, const struct work_end *end);

/* The stage could not be started: the document is put off. */
struct work_next work_not_started(struct work *work, const struct error *error);

/* What work_ended said could not be saved, or an entry of its journal could not: it is put off. */
struct work_next work_put_off(struct work *work, int status, const char *reason);

/* The document to be saved: with its member `spool`. */
jv work_document(const struct work *work);

#endif
