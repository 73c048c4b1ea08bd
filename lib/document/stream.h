/* The loop of a command that processes one document after the other. */
#ifndef CIBA_DOCUMENT_STREAM_H
#define CIBA_DOCUMENT_STREAM_H

#include "document/step.h"
#include "document/workers.h"

/* Reads all of stdin, does the step on each document and writes the result at once. Reports bad
 * documents and continues. Returns the exit status of the stream. In a stage of agent-spool
 * (stage.h) the documents come from there, and their results go back. */
int stream_run(document_step step, void *context, const struct stream_jobs *jobs);

/* Does the step on one document that was created, not read. Takes it. */
int stream_run_one(document_step step, void *context, jv document);

#endif
