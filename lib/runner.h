/* Runs programs for a process that cannot: before anything is read that others have written, a
 * helper is forked, which runs the programs of the command line and no others, and the process
 * itself gives up that right (confine.h). Whoever takes the process over can have one of these
 * programs run, as the command itself can, and nothing else. */
#ifndef CIBA_RUNNER_H
#define CIBA_RUNNER_H

#include "confine.h"
#include "process.h"

struct runner {
    int helper; /* a socket to it */
    const struct program *programs;
    size_t count;
};

/* Starts the helper. The programs are the caller's and must outlive it. If none of them is a stage
 * the helper forgets the secrets of the environment. False and an error with status 70. */
bool runner_start(struct runner *runner, const struct program *programs, size_t count,
                  struct error *error);

/* Adds what runner_run needs. */
void runner_needs(struct confinement *needs);

/* Runs a program of them, as process_run does, from any copy of the process, several at a time.
 * False and an error with status 69, or 70 where the helper has gone: then nothing was run. */
bool runner_run(const struct runner *runner, size_t program, const struct program_run *run,
                struct process_end *end, struct error *error);

#endif
