/* The time of day. */
#ifndef CIBA_CLOCK_H
#define CIBA_CLOCK_H

#include <time.h>

/* Seconds since 1970-01-01 UTC, with a fraction. */
double clock_now(void);

/* Does nothing for that long; a signal ends it. */
void clock_sleep(double seconds);

/* The time of day, UTC, in its parts, for strftime. */
struct tm clock_utc(void);

#endif
