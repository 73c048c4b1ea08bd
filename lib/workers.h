/* A filter's work spread over processes, so that as many documents are under way at a time: each
 * process does the step on one document after the other, over connections of its own that it keeps.
 * The work of a document that kills its process is told and lost, that of the others is not. */
#ifndef CIBA_WORKERS_H
#define CIBA_WORKERS_H

#include "filter.h"

/* As filter_run, with up to `jobs->count` documents at a time; outcomes go out in the order of the
 * documents, or as they come with `jobs->unordered`. Not more than four times the count are held.
 */
int workers_run(filter_step step, void *context, const struct filter_jobs *jobs);

#endif
