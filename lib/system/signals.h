/* Signals that ask the process to end, as something to wait for in a loop. */
#ifndef CIBA_SYSTEM_SIGNALS_H
#define CIBA_SYSTEM_SIGNALS_H

#include "base/error.h"

#include <stdbool.h>

/* From now on SIGINT and SIGTERM make the returned descriptor readable, and SIGPIPE is ignored. -1
 * and an error with status 70. */
int signals_catch(struct error *error);

/* The number of a signal that has come since the last call; 0 for none. */
int signals_caught(void);

#endif
