/* The time of day. */
#ifndef CIBA_CLOCK_H
#define CIBA_CLOCK_H

/* Seconds since 1970-01-01 UTC, with a fraction. */
double clock_now(void);

#endif
