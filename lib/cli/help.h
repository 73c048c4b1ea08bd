/* What --help prints, from a command's option table. */
#ifndef CIBA_CLI_HELP_H
#define CIBA_CLI_HELP_H

#include "cli/command.h"

/* Prints usage, purpose and every option, with those in `more`, to stdout. Where there are many,
 * the command's own come first, and those that commands share under the headings of
 * ciba-options(7). */
void help_print(const struct command *command, const struct option_spec *more);

#endif
