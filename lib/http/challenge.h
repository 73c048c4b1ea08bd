/* The challenges of a WWW-Authenticate header (RFC 9110 §11.6.1). */
#ifndef CIBA_HTTP_CHALLENGE_H
#define CIBA_HTTP_CHALLENGE_H

#include <stdbool.h>
#include <stddef.h>

/* The first parameter of that name in any of the challenges, without its quotes, into `room` bytes.
 * False if there is none, or if it does not fit. */
bool challenge_parameter(const char *header, const char *name, char *value, size_t room);

#endif
