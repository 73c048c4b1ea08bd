/* Runs another program to its end, with input for it and its output kept. */
#ifndef CIBA_PROCESS_H
#define CIBA_PROCESS_H

#include "error.h"

#include <stdbool.h>
#include <stddef.h>

/* What whoever wrote the command line has said of a program. */
struct program {
    char *const *argv;    /* up to a NULL; argv[0] is looked up in PATH, no shell is involved */
    const char *prefix;   /* what the names of the variables of a run begin with, NULL for none */
    const char *dpop_key; /* what it finds in $DPOP_KEY_FILE with a token that is bound to it */
    int token_fd;   /* give the token on this descriptor (3 to 9) instead, 0 for the environment */
    double timeout; /* seconds, 0 for none; then its process group is killed */
    bool is_stage;  /* one of our own commands: it keeps our environment and our process group, and
                     * what it says on stderr is read, passed on and its last line kept */
    size_t output_limit; /* bytes of stdout; beyond it, its process group is killed */
};

/* What differs from one run of it to the next. NULL for what is not given. */
struct program_run {
    const char *input; /* what it reads on stdin */
    size_t input_size;
    const char *token; /* what it finds in $ACCESS_TOKEN */
    bool token_is_dpop;
    const char *idempotency_key; /* what it finds in $IDEMPOTENCY_KEY */
    char *const *variables;      /* more of its environment, NAME=value up to a NULL */
};

struct process_end {
    int exit_status; /* as a shell tells it: 128 and the signal's number for a killed one */
    bool timed_out, too_large;
    bool broken;  /* what came of it is not known, or its output not whole */
    char *output; /* with a 0 byte after the last; the caller frees */
    size_t output_size;
    char last_words[400]; /* the last line on stderr of a stage */
};

/* Keeps a pair of descriptors, for which a call has answered `made`, from the programs that are
 * started: process_keeps(pipe(ends), ends). False with errno set if there is none. */
bool process_keeps(int made, const int *ends);

/* Wipes the secrets that this project's commands take from the environment, and removes them. */
void process_forget_secrets(void);

/* Sets $ACCESS_TOKEN of this process, and $DPOP_KEY_FILE; NULL for none. */
void process_set_token(const char *token, const char *dpop_key);

/* Runs it in a process group of its own, with our stderr and our environment, to which that of the
 * run is added for good. False and an error with status 69 if it cannot be started: then nothing
 * was run. */
bool process_run(const struct program *program, const struct program_run *run,
                 struct process_end *end, struct error *error);

#endif
