/* Runs programs for a process that has given up that right (confine.h). A helper is forked before
 * any input from others is read. It runs the programs of the command line and no others. Whoever
 * takes over the process can have these programs run, as the command itself can, but no other. */
#ifndef CIBA_SYSTEM_PROGRAM_HELPER_H
#define CIBA_SYSTEM_PROGRAM_HELPER_H

#include "system/confine.h"
#include "system/process.h"

struct program_helper {
    int socket; /* to the process */
    pid_t process;
    int life; /* for unattended programs: a socket; the helper and they have the other end */
    const struct program *programs;
    size_t count;
};

/* Starts the helper. The programs stay the caller's and must outlive it. If none of them is a
 * stage, the helper wipes the secrets in its environment. False and an error with status 70. */
bool program_helper_start(struct program_helper *helper, const struct program *programs,
                          size_t count, struct error *error);

/* Adds the needs of program_helper_run. */
void program_helper_needs(struct confinement *needs);

/* Runs one of the programs, as process_run does. Any copy of the process can call it, several at a
 * time. False and an error with status 69, or 70 if the helper has ended: then nothing was run. */
bool program_helper_run(const struct program_helper *helper, size_t program,
                        const struct program_run *run, struct process_end *end,
                        struct error *error);

/* Starts a program that is unattended, and does not wait for it. The helper reports on stderr if it
 * fails. Unless it lasts, it is killed if this process and its copies end before, or after
 * program_helper_end. False and an error as for program_helper_run. */
bool program_helper_begin(const struct program_helper *helper, size_t program,
                          const struct program_run *run, struct error *error);

/* What a stage is given: its socket, stdin, stdout and stderr. */
enum { PROGRAM_SOCKET, PROGRAM_IN, PROGRAM_OUT, PROGRAM_ERR, PROGRAM_DESCRIPTORS };

/* Starts a program that is a stage, with these descriptors (process_fork_stage), which stay the
 * caller's, and waits for nothing. Returns a connection, for the two functions below and for the
 * caller to close: it becomes readable when the program has ended or was not started. Closing it,
 * and the end of this process, do not end the program. -1 and an error with status 69 or 70: then
 * nothing was started. */
int program_helper_open(const struct program_helper *helper, size_t program,
                        const int descriptors[PROGRAM_DESCRIPTORS], struct error *error);

/* Has it ended by SIGTERM, or by SIGKILL if `at_once`: the program, not what it has started. */
void program_helper_stop(int connection, bool at_once);

/* How the program of a readable connection ended; `output` and `last_words` are not set. `broken`
 * if the process that waited for it has ended itself: then it may be running still. False and an
 * error with status 69 if it was not started. */
bool program_helper_ended(int connection, struct process_end *end, struct error *error);

/* Waits for the end of the unattended programs. The helper cannot be used afterwards. */
void program_helper_wait(struct program_helper *helper);

/* Ends the helper, and its unattended programs. Not needed at the end of a process. */
void program_helper_end(struct program_helper *helper);

#endif
