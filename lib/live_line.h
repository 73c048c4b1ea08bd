/* One line on a terminal that is drawn over and over: whom a command waits for. */
#ifndef CIBA_LIVE_LINE_H
#define CIBA_LIVE_LINE_H

#include <jv.h>
#include <stdbool.h>
#include <stddef.h>

/* Whether there is a terminal for it: stderr is one that can move its cursor, and NO_COLOR is not
 * set. */
bool live_line_wanted(void);

/* Draws it: user, question and the time left of a pending call, and how many more there are. It
 * goes away before the next diagnostic. */
void live_line_draw(jv call, size_t others);

/* Wipes it, if it is there. */
void live_line_wipe(void);

#endif
