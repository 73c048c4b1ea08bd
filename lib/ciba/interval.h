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

/* The interval after slow_down (§11): 5 s longer, or what the answer's body or its Retry-After says
 * if that is more, up to 3600. */
double ciba_slower_interval(double interval, jv body, double retry_after);

#endif
