/* Completions for bash, zsh and fish from a command's option table. */
#ifndef CIBA_COMPLETION_H
#define CIBA_COMPLETION_H

#include "options.h"

#include <stdbool.h>

/* Prints the completion script of the command (with the `more` options, as --help) for the shell to
 * stdout. False if there is no such shell. */
bool completion_print(const struct command *command, const struct option_spec *more,
                      const char *shell);

#endif
