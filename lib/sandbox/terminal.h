/* The terminal as the user's phone. */
#ifndef CIBA_SANDBOX_TERMINAL_H
#define CIBA_SANDBOX_TERMINAL_H

#include "sandbox/sandbox.h"

/* The terminal where the user can be asked; -1 without one. */
int terminal_open(void);

/* Shows the oldest waiting request, unless it is *shown already or the sandbox is quiet, and sets
 * *shown to it. */
void terminal_show(struct sandbox *sandbox, int terminal, const struct approval **shown);

/* Reads a line and decides on the request that is shown. */
void terminal_read(struct sandbox *sandbox, int terminal, const struct approval **shown);

#endif
