/* The stages of a pipeline, and how a document of an agent spool passes through them. Each stage is
 * a process of its own; its result is on the disk before the next one starts. */
#ifndef CIBA_AGENT_STAGES_H
#define CIBA_AGENT_STAGES_H

#include "agent/agent_spool.h"
#include "system/program_helper.h"

#include <stdbool.h>
#include <stddef.h>

struct stages {
    struct program *programs; /* their argv point into the words given to stages_parse */
    size_t count;
    const struct program_helper *helper; /* started with these programs */
    double backoff, give_up;             /* seconds */
};

/* Parses words up to a NULL, with a lone `|` between stages. The words stay the caller's and are
 * changed. False if a stage is empty. */
bool stages_parse(struct stages *stages, char **words);

/* Whether each program exists and can be executed. False and an error with status 69. */
bool stages_can_start(const struct stages *stages, struct error *error);
void stages_free(struct stages *stages);

/* Processes a document of the queue until it must wait (for the user, or after a failed stage), is
 * done, or has failed. Returns STATUS_DONE; STATUS_NOT_YET if it stays in the queue (sets *due) or
 * another process has it; else the status of its failure. */
int stages_advance(const struct stages *stages, const struct agent_spool *spool, const char *name,
                   double *due);

#endif
