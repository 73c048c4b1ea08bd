/* Completions for bash, zsh and fish from a command's option table. */
#ifndef CIBA_CLI_COMPLETION_H
#define CIBA_CLI_COMPLETION_H

#include "cli/command.h"

#include <stdbool.h>

/* Prints to stdout the shell's completion script for the command (including the `more` options,
 * such as --help). False for an unknown shell. */
bool completion_print(const struct command *command, const struct option_spec *more,
                      const char *shell);

#endif
