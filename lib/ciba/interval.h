/* The time between two polls of a request: CIBA Core 1.0 §7.3. */
#ifndef CIBA_CIBA_INTERVAL_H
#define CIBA_CIBA_INTERVAL_H

#include <jv.h>

enum {
    DEFAULT_INTERVAL = 5,   /* seconds, if the provider sends none */
    LONGEST_INTERVAL = 3600 /* seconds; a longer one is a server's mistake */
};

/* The call's polling interval in seconds: 1 to 3600, by default 5. */
double ciba_interval(jv call);

/* The interval after slow_down (§11): 5 s or half longer, whichever is more, or what the answer's
 * body or its Retry-After says if that is more, up to 3600. A provider that adds 5 s each time it
 * is polled too early, and one of whose answers was lost, is caught up with only by adding more. */
double ciba_slower_interval(double interval, jv body, double retry_after);

#endif
