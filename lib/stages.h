/* The stages of a pipeline, and how a document of an agent spool goes through them: each stage is a
 * process of its own, and what it makes of the document is on the disk before the next one starts.
 */
#ifndef CIBA_STAGES_H
#define CIBA_STAGES_H

#include "agent_spool.h"
#include "runner.h"

#include <stdbool.h>
#include <stddef.h>

struct stages {
    struct program *programs; /* their argv are within the words given to stages_parse */
    size_t count;
    const struct runner *runner; /* with these programs */
    double backoff, give_up;     /* seconds */
};

/* Words up to a NULL, of which a lone `|` parts the stages. The words stay the caller's, and are
 * changed. False if a stage is empty. */
bool stages_parse(struct stages *stages, char **words);
void stages_free(struct stages *stages);

/* Works on a document of the queue as long as that is of use: until it must wait (for the user, or
 * after a stage went wrong), is done, or has failed. STATUS_DONE; STATUS_NOT_YET where it stays in
 * the queue (*due is set) or another process has it; else the status for which it failed. */
int stages_advance(const struct stages *stages, const struct agent_spool *spool, const char *name,
                   double *due);

#endif
