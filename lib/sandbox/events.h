/* Server-Sent Events, as models stream. */
#ifndef CIBA_SANDBOX_EVENTS_H
#define CIBA_SANDBOX_EVENTS_H

#include <jv.h>
#include <stdio.h>

/* Writes an event with JSON as its data; `name` may be NULL. Takes `data`. */
void events_put(FILE *to, const char *name, jv data);

/* The next few characters of a text; advances *text. */
jv events_piece(const char **text);

#endif
