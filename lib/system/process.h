/* Runs another program to its end, with given input, and keeps its output. */
#ifndef CIBA_SYSTEM_PROCESS_H
#define CIBA_SYSTEM_PROCESS_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

/* The file of a program as it was when looked up. */
struct program_file {
    char *path;  /* NULL if there is none */
    int problem; /* the reason, an errno value */
    struct stat facts;
};

/* What the command line says about a program. */
struct program {
    char *const *argv; /* up to a NULL; argv[0] is looked up in PATH, no shell is involved */
    const struct program_file *file; /* argv[0]'s file, must be unchanged; NULL to look it up */
    const char *prefix;              /* for the names of a run's variables, NULL for none */
    const char *dpop_key;            /* $DPOP_KEY_FILE for a token that is bound to a key */
    int token_fd;   /* pass the token on this descriptor (3 to 9) instead, 0 for the environment */
    double timeout; /* seconds, 0 for none; then its process group is killed; a stage is first asked
                       to end */
    bool is_stage;  /* one of our own commands: keeps our environment and process group; its stderr
                       is passed on and the last line kept */
    bool is_unattended;  /* nobody waits for it (program_helper_begin) */
    bool lasts;          /* such a one is not killed when who started it ends */
    size_t output_limit; /* bytes of stdout; for more, its process group is killed */
};

/* What differs between runs of a program. NULL for what is not given. */
struct program_run {
    const char *input; /* its stdin */
    size_t input_size;
    const char *token; /* its $ACCESS_TOKEN */
    bool token_is_dpop;
    const char *idempotency_key; /* its $IDEMPOTENCY_KEY */
    char *const *variables;      /* further environment variables, NAME=value up to a NULL */
    int life; /* a socket: when nobody holds its other end, its process group is killed; 0 for
                 none */
};

struct process_end {
    int exit_status; /* as in a shell: 128 plus the signal's number if it was killed */
    bool timed_out, too_large;
    bool abandoned; /* the other end of its `life` was closed */
    bool late;      /* a stage that exceeded its timeout and was asked to end */
    bool broken;    /* its outcome is unknown, or its output incomplete */
    char *output;   /* followed by a 0 byte; the caller frees */
    size_t output_size;
    char last_words[400]; /* a stage's last line on stderr */
};

/* Looks a program up as execvp does. Free the result with process_free_file. */
void process_find(const char *name, struct program_file *file);
void process_free_file(struct program_file *file);

/* Executes the file, as execvp does, if it is still the file that was found and has not been
 * written to since. Does not check what the file itself loads, such as a script's interpreter;
 * cannot see a change between the check and the execution. Returns only on failure, with errno set:
 * ESTALE for a changed file. */
void process_execute(const struct program_file *file, char *const *argv);

/* The message for that errno value. */
const char *process_problem(int problem);

/* Keeps a pair of descriptors from the programs that are started. `made` is the return value of the
 * call that made them: process_close_on_exec(pipe(ends), ends). False with errno set if that call
 * failed. */
bool process_close_on_exec(int made, const int *ends);

/* Closes every descriptor but 0 to 2 and these, where /dev/fd lists them: for a new process that
 * lives on. */
void process_close_all_but(const int *kept, size_t count);

/* Lets go of stdin, stdout and, if it prints nothing, stderr: whoever reads them need not wait for
 * this process. */
void process_leave_streams(bool stderr_too);

/* From now on SIGINT, SIGTERM and SIGHUP, which whole groups of processes get, do not end this
 * process; the programs that it starts get them as this process did before. For who must tell how
 * a program has ended. */
void process_outlive(void);

/* Sets $ACCESS_TOKEN and $DPOP_KEY_FILE of this process; NULL for none. */
void process_set_token(const char *token, const char *dpop_key);

/* Starts the program with these as its stdin and stdout, and `err` as a stage's stderr, otherwise
 * in its own process group and with ours. The descriptors stay the caller's, and must be
 * close-on-exec. Its number; -1 with errno set, for process_problem, if it cannot be started. */
pid_t process_fork(const struct program *program, int in, int out, int err, const char *token);

/* The same for a stage that is also given a socket: its variable CIBA_STAGE is "FD:PID", the
 * socket's number in the new process and that process's number. */
pid_t process_fork_stage(const struct program *program, int in, int out, int err, int socket);

/* Runs the program in its own process group, with our stderr and our environment, to which the
 * run's variables are added for good. Reads its output to the end. If processes it left behind keep
 * the output open, stops reading 2 s after the program's end and reports that. False and an error
 * with status 69 if it cannot be started: then nothing was run. */
bool process_run(const struct program *program, const struct program_run *run,
                 struct process_end *end, struct error *error);

/* Whether it has ended by itself with status 0. False and an error with status 69 that says how it
 * ended. */
bool process_succeeded(const struct program *program, const struct process_end *end,
                       struct error *error);

#endif
