/* The time of day, and the time that passes. */
#ifndef CIBA_CLOCK_H
#define CIBA_CLOCK_H

#include <time.h>

/* Seconds since 1970-01-01 UTC, with a fraction. */
double clock_now(void);

/* Seconds that have passed, with a fraction, since a moment long before the process began: for
 * waits, intervals and time limits, which a step of the time of day must neither end nor stretch.
 */
double clock_elapsed(void);

/* Does nothing for that long; a signal ends it. */
void clock_sleep(double seconds);

/* The time of day, UTC, in its parts, for strftime. */
struct tm clock_utc(void);

#endif
