/* Command-line options from one table: parsing, --help and --version. */
#ifndef CIBA_CLI_OPTIONS_H
#define CIBA_CLI_OPTIONS_H

#include "cli/command.h"

/* Calls program_start and stores the options' values. Prints --help, --settings, --version, or
 * --completion for bash, zsh or fish, and exits 0. Reports a wrong option (exits 64) or a missing
 * file with a secret (exits 66). Does not accept abbreviated long options: the argument of a
 * mistyped option could be a secret. Returns the index of the first operand in `argv`, which is
 * reordered so that operands come last. Handles --verbose if it is in the table (verbose_on). */
int options_parse(const struct command *command, int argc, char **argv);

/* The same for a command without operands. */
void options_parse_only(const struct command *command, int argc, char **argv);

/* Ends the command with status 64 for an unknown operand or option; prints only the part of it
 * before a '='. */
_Noreturn void usage_unknown(const char *what, const char *word);

/* Prints a message and a pointer to --help, and ends the command with status 64. */
_Noreturn void usage_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
