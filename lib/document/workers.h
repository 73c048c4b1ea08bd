/* A command's work spread over processes, to process several documents at a time. Each process does
 * the step on one document after the other, over its own persistent connections. If a document
 * kills its process, that document's work is reported and lost, the others' is not. */
#ifndef CIBA_DOCUMENT_WORKERS_H
#define CIBA_DOCUMENT_WORKERS_H

#include "document/step.h"

/* How many documents are worked on at a time. Zeroed: one. */
struct stream_jobs {
    long count;
    bool unordered; /* write results as they finish, not in the order of the documents */
    bool consumes;  /* documents are stored elsewhere: a refused document is not written */
};

/* clang-format off */
#define JOBS_OPTIONS(jobs) \
    {'j', "jobs", "N", OPTION_COUNT, &(jobs).count, "work on N documents at a time (1)"}, \
    {0, "unordered", NULL, OPTION_FLAG, &(jobs).unordered, \
     "with -j: write documents as they are finished"}
/* clang-format on */

enum { STREAM_JOBS_LIMIT = 1000 };

/* As stream_run, with up to `jobs->count` documents at a time. Writes results in the order of the
 * documents, or as they finish with `jobs->unordered`. Holds at most four times the count. */
int workers_run(document_step step, void *context, const struct stream_jobs *jobs);

#endif
