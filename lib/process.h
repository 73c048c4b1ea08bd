/* Runs another program to its end, with input for it and its output kept. */
#ifndef CIBA_PROCESS_H
#define CIBA_PROCESS_H

#include "error.h"

#include <stdbool.h>
#include <stddef.h>

struct process {
    char *const *argv;    /* up to a NULL; argv[0] is looked up in PATH, no shell is involved */
    const char *input;    /* what it reads on stdin */
    const char *token;    /* what it finds in $ACCESS_TOKEN, NULL for none */
    const char *dpop_key; /* what it finds in $DPOP_KEY_FILE if the token is bound to it, or NULL */
    char *const *environment;    /* more of it, NAME=value up to a NULL, or NULL; may be kept */
    const char *idempotency_key; /* what it finds in $IDEMPOTENCY_KEY, NULL for none */
    int token_fd;   /* give the token on this descriptor (3 to 9) instead, 0 for the environment */
    double timeout; /* seconds, 0 for none; then its process group is killed */
    bool is_stage;  /* one of our own commands: it keeps our environment and our process group, and
                     * what it says on stderr is read, passed on and its last line kept */
    size_t output_limit; /* bytes of stdout; beyond it, its process group is killed */
};

/* Sets this process's environment as a program that was approved finds it: $ACCESS_TOKEN,
 * $DPOP_KEY_FILE if `dpop_key` is not NULL, and none of the secrets that this project's commands
 * take from it. */
void process_set_environment(const char *token, const char *dpop_key);

struct process_end {
    int exit_status; /* as a shell tells it: 128 and the signal's number for a killed one */
    bool timed_out, too_large;
    bool broken;  /* the pipes to and from it failed: its input or output is not whole */
    char *output; /* with a 0 byte after the last; the caller frees */
    size_t output_size;
    char last_words[400]; /* the last line on stderr of a stage */
};

/* Runs it in a process group of its own, with our stderr, and without the secrets that this
 * project's commands take from the environment. False and an error with status 69 if it cannot be
 * started: then nothing was run. */
bool process_run(const struct process *process, struct process_end *end, struct error *error);

#endif
