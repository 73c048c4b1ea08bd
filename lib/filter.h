/* The loop of a command that works on one document after the other. */
#ifndef CIBA_FILTER_H
#define CIBA_FILTER_H

#include "error.h"

#include <jv.h>
#include <stdbool.h>

/* One command's work on one document. Takes the document, returns what goes out, and makes *status
 * worse by status_worse where something went wrong (having complained of it); invalid means that
 * nothing is to be written. */
typedef jv (*filter_step)(void *context, jv document, int *status);

/* How many documents are worked on at a time. Zeroed: one. */
struct filter_jobs {
    long count;
    bool unordered; /* outcomes go out as they come, not in the order of the documents */
};

/* clang-format off */
#define JOBS_OPTIONS(jobs) \
    {'j', "jobs", "N", OPTION_COUNT, &(jobs).count, "work on N documents at a time (1)"}, \
    {0, "unordered", NULL, OPTION_FLAG, &(jobs).unordered, \
     "with -j: write documents as they are finished"}
/* clang-format on */

enum { FILTER_JOBS_LIMIT = 1000 };

/* Reads all of stdin, gives each document to the step and writes the outcome at once. Complains of
 * bad documents and goes on. Returns the exit status of the stream. */
int filter_run(filter_step step, void *context, const struct filter_jobs *jobs);

/* Does the step on a document and writes the outcome. Takes the document. False if nothing more can
 * be written. */
bool filter_do(filter_step step, void *context, jv document, int *status);

/* Does the step on one document that was not read but made. Takes it. */
int filter_run_one(filter_step step, void *context, jv document);

/* One command's work on one call. Takes the call, returns it. */
typedef jv (*call_step)(void *context, jv call, int *status);

/* Gives every call of the document to the step. Takes the document, returns it. Calls that are no
 * objects, and `calls` that is no array, pass as they are. */
jv filter_calls(jv document, call_step step, void *context, int *status);

#endif
