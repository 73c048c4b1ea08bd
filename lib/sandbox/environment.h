/* The environment variables with which the commands use the sandbox. */
#ifndef CIBA_SANDBOX_ENVIRONMENT_H
#define CIBA_SANDBOX_ENVIRONMENT_H

#include "sandbox/sandbox.h"

/* Sets them in this process. */
void environment_put(const struct sandbox *sandbox);

/* The same as shell commands, with the server's process id; the caller frees. */
char *environment_exports(const struct sandbox *sandbox, long pid);

#endif
