/* Starts a program of the operator's (--notify-command) that tells the user of a question: by mail,
 * SMS or a push service. */
#ifndef CIBA_CIBA_NOTIFIER_H
#define CIBA_CIBA_NOTIFIER_H

#include "base/error.h"
#include "system/confinement.h"
#include "system/program_helper.h"

#include <jv.h>
#include <stdbool.h>

enum { NOTIFIER_SECONDS = 30 /* then the program and its process group are killed */ };

/* Starts `program` and waits for its end, at most NOTIFIER_SECONDS. It is looked up as execvp does,
 * without a shell and without arguments; it must come from the command line or the settings, never
 * from a document, an answer or a request. It gets our environment without the secrets and what
 * leads to them, our stderr, and the notice on stdin: a JSON object in one line, with `user`,
 * `message`, `url`, `client`, `expires_at` (seconds since 1970) and `id`, as far as they are
 * known. They are others' words. It need not read them. What it prints on stdout is ignored. False
 * and an error with status 69 or 70 that names the program, for stderr: it cannot be started, fails
 * or takes too long. That must not change what becomes of the question.
 *
 * A program that answers a request, such as a CGI program, must not be waited for: fork; in the
 * child call process_leave_streams(true), so that the web server sees the end of the answer, then
 * notifier_run, write a failure to a log, and _exit. Call process_leave_streams(false) instead only
 * where nobody waits for the end of stderr. The caller must still be allowed to fork and to start
 * programs (confine.h): before it gives that up, or in a process forked before. */
bool notifier_run(const char *program, jv notice, struct error *error);

/* The same for a process that gives up its rights (confine.h), and does not wait. */
struct notifier {
    const char *program; /* NULL: nobody is told, and all functions do nothing */
    char *argv[2];
    struct program started;
    struct program_helper helper;
};

/* The option with which the operator names the program. */
/* clang-format off */
#define NOTIFIER_OPTION(program) \
    {0, "notify-command", "PROG", OPTION_TEXT, &(program), \
     "start PROG with each question (JSON on stdin), to tell the user"}
/* clang-format on */

/* Prepares it, before rights are given up and input is read; the program's name stays the caller's.
 * `option` is the one that names it, for messages. The notifier must stay at its address. False and
 * an error with status 70, or 78 if there is no such program. */
bool notifier_start(struct notifier *notifier, const char *option, const char *program,
                    struct error *error);

/* The same, and the programs outlive this process, which need not wait for them: what they are told
 * happened whether or not it goes on. */
bool notifier_start_lasting(struct notifier *notifier, const char *option, const char *program,
                            struct error *error);

/* Adds what it needs of the system. */
void notifier_needs(const struct notifier *notifier, struct confinement *needs);

/* Starts the program with the notice, and does not wait for its end. A failure is told on stderr.
 */
void notifier_tell(const struct notifier *notifier, jv notice);

/* Waits for all that were started. Nobody can be told afterwards. */
void notifier_wait(struct notifier *notifier);

/* For a process that gives up its rights, and waits: prepares it, and is notifier_run with it. A
 * program that does not exist is an error of notifier_run_by. False and an error with status 70. */
bool notifier_open(struct notifier *notifier, const char *program, struct error *error);
bool notifier_run_by(const struct notifier *notifier, jv notice, struct error *error);

/* Ends those that still run, unless they outlive this process. Zeroed is good too. */
void notifier_end(struct notifier *notifier);

#endif
