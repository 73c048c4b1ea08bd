/* A status line on a terminal, redrawn in place: whom a command waits for. */
#ifndef CIBA_CIBA_LIVE_LINE_H
#define CIBA_CIBA_LIVE_LINE_H

#include "ciba/poller.h"

#include <stdbool.h>

/* Whether to draw it: stderr is a terminal that can move its cursor, and NO_COLOR is not set. */
bool live_line_wanted(void);

/* Draws what the poller waits for: user, question and time left of one call, and the number of
 * others; an address for the answer that does not fit in is told above it. It is wiped before the
 * next diagnostic. */
void live_line_show(const struct poller *poller);

/* From now on it is not wanted. */
void live_line_off(void);

/* Wipes it if it is drawn. */
void live_line_wipe(void);

#endif
