/* The command that an entry of a host's settings has for a hook: whether it is ciba-hook, and what
 * its options say. */
#ifndef CIBA_DOCTOR_HOOK_COMMAND_H
#define CIBA_DOCTOR_HOOK_COMMAND_H

#include "base/error.h"

#include <jv.h>
#include <stdbool.h>

struct hook_command {
    jv words;            /* from the program on; invalid if a shell would do more than start it */
    const char *starter; /* a program that starts ciba-hook, NULL if nothing does; in `words` */
    const char *program; /* the path or name of ciba-hook, in `words`; NULL if unknown */
    const char *host;    /* --host, NULL without */
    double deadline;     /* --deadline in seconds, 0 without */
    bool prints;         /* it has an option that prints something and ends with 0 */
    bool defers;         /* --defer */
};

/* The command of an entry: the member `exec`, `command` or `bash`, with `args` if there are any.
 * False if it does not name ciba-hook. Free it with hook_command_free if it does. */
bool hook_command_read(jv entry, struct hook_command *command);
void hook_command_free(struct hook_command *command);

/* Reads the options. False and an error if ciba-hook would not take them. */
bool hook_command_options(struct hook_command *command, struct error *error);

#endif
