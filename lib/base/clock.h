/* The time of day, and elapsed time. */
#ifndef CIBA_BASE_CLOCK_H
#define CIBA_BASE_CLOCK_H

#include <stdbool.h>
#include <time.h>

/* Seconds since 1970-01-01 UTC, with a fraction. */
double clock_now(void);

/* Whether the time of day was set back to before `moment`, a time in the past. Then nobody knows
 * how long ago that was. The clocks of files and of other machines may be a second ahead. */
bool clock_went_back(double moment);

/* Elapsed seconds, with a fraction, since a moment long before the process began. For waits,
 * intervals and time limits: setting the time of day must neither end nor stretch them. */
double clock_elapsed(void);

/* Identifies the boot that clock_elapsed counts in, so that another process can continue from its
 * time; "" where unknown. Call it once before the process gives up access to files. */
const char *clock_boot(void);

/* Sleeps; a signal ends it. */
void clock_sleep(double seconds);

/* The time of day in UTC, broken down for strftime. */
struct tm clock_utc(void);

/* A time as a person reads it, in local time ("2026-11-26 10:07:00"), "-" for 0. The caller
 * frees. Call tzset before the process gives up access to files. */
char *clock_text(double time);

#endif
