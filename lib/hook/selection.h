/* Which calls a hook asks about. Decided by the command line, never by guessing what is risky. */
#ifndef CIBA_HOOK_SELECTION_H
#define CIBA_HOOK_SELECTION_H

#include "base/error.h"
#include "cli/command.h"

#include <jv.h>
#include <stdbool.h>

struct selection;

/* `tools`: POSIX extended regular expressions, one of which is found in the tool's name; none for
 * all tools. `condition`: a jq filter over the arguments, NULL for none. NULL and an error with
 * status 64. */
struct selection *selection_new(const struct option_list *tools, const char *condition,
                                struct error *error);
void selection_free(struct selection *selection);

/* Whether the user is asked about the call. False and an error with status 65 if the condition
 * gives neither true nor false: then it is not known. */
bool selection_has(const struct selection *selection, jv call, bool *has, struct error *error);

#endif
