/* Seconds until the next poll of a pending call. CIBA Core 1.0 §7.3 and §11. */
#ifndef CIBA_CIBA_NEXT_POLL_H
#define CIBA_CIBA_NEXT_POLL_H

#include "ciba/pending_request.h"
#include "http/message.h"

/* After an answer that the user has not decided yet: the interval, or Retry-After if that is
 * longer. */
double next_poll_while_pending(const struct pending_request *request,
                               const struct http_answer *answer);

/* While waiting for a notification, as a safety net: rarely, and some time before the request
 * expires, because the provider has no answer after that. */
double next_poll_safety(const struct pending_request *request);

/* After an answer that says nothing about the user: the interval, longer with each in a row, or
 * Retry-After if that is longer. */
double next_poll_after_trouble(const struct pending_request *request,
                               const struct http_answer *answer);

/* While the server is in trouble: `base` seconds, longer with each failure in a row. */
double next_poll_backoff(double base, int troubles);

#endif
