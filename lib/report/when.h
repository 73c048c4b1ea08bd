/* Times in an audit log, and as people write them. */
#ifndef CIBA_REPORT_WHEN_H
#define CIBA_REPORT_WHEN_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* Reads an RFC 3339 time, "2026-11-26T10:07:00Z", also with a fraction or an offset, as seconds
 * since 1970. Leap seconds are those after them. */
bool when_read(const char *text, size_t size, double *seconds);

/* Reads what an option says: such a time; a date, for the start of that day; today, yesterday, for
 * the start of the day; now; or a number and s, m, h, d or w, for that long before `now`. Days are
 * those of local time. False and an error with status 64. */
bool when_option(const char *name, const char *text, double now, double *seconds,
                 struct error *error);

/* "2026-11-26 10:07:00" in local time, or only the first `size` - 1 characters of it; "-" for a
 * time below 0, which is unknown. */
void when_text(double seconds, char *text, size_t size);

enum { WHEN_DATE = 11, WHEN_TIME = 20 }; /* sizes of texts */

/* "2026-11-26T10:07:00Z". */
void when_utc(double seconds, char text[WHEN_TIME + 1]);

#endif
