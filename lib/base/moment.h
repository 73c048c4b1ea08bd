/* Times as people write and read them: "2h", "yesterday", "3 min 20 s". */
#ifndef CIBA_BASE_MOMENT_H
#define CIBA_BASE_MOMENT_H

#include <stdbool.h>

/* A length of time in words, in its two largest units: "12 s", "3 min 20 s", "2 h 5 min", "3 d".
 * Less than nothing is "0 s". The caller frees. */
char *moment_span(double seconds);

/* The same in its largest unit: "3 min". */
char *moment_about(double seconds);

/* Reads a moment in the past, as seconds since 1970: so long ago ("90", "90s", "15m", "2h", "3d");
 * "today" or "yesterday"; or "2026-11-26", "2026-11-26 10:07" or "2026-11-26T10:07:00" in local
 * time, with "Z" in UTC. False if it is nothing of that. */
bool moment_parse(const char *text, double *moment);

#endif
