/* A command line as a call that the user is asked about. */
#ifndef CIBA_CIBA_COMMAND_CALL_H
#define CIBA_CIBA_COMMAND_CALL_H

#include "base/error.h"

#include <jv.h>

/* A call for the command, words up to a NULL, which binds the approval to each byte of each word.
 * JSON holds UTF-8 only, and would make the same of different bytes that are none: then invalid and
 * an error with status 65. */
jv command_call(char *const *words, struct error *error);

/* A word quoted as for a shell, so that different command lines look different; the caller frees.
 */
char *shell_word(const char *word);

/* "Run" and the command line, as the message; the caller frees. */
char *command_message(char *const *words);

#endif
