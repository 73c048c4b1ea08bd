/* One line on a terminal that is drawn over and over: whom a command waits for. */
#ifndef CIBA_LIVE_LINE_H
#define CIBA_LIVE_LINE_H

#include "poller.h"

#include <stdbool.h>

/* Whether there is a terminal for it: stderr is one that can move its cursor, and NO_COLOR is not
 * set. */
bool live_line_wanted(void);

/* Draws it for what the poller waits for: user, question and the time left of a call, and how many
 * more there are. It goes away before the next diagnostic. */
void live_line_show(const struct poller *poller);

/* Wipes it, if it is there. */
void live_line_wipe(void);

#endif
