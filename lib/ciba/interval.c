#include "ciba/interval.h"

#include "json/json.h"

#include <math.h>

double ciba_interval(jv call) {
    double interval = DEFAULT_INTERVAL;
    jv authorization = json_get(call, "authorization");
    if (!json_number(authorization, "interval", &interval) || !(interval > 0))
        interval = DEFAULT_INTERVAL;
    jv_free(authorization);
    return interval < 1 ? 1 : interval > LONGEST_INTERVAL ? LONGEST_INTERVAL : interval;
}

double ciba_slower_interval(double interval, jv body, double retry_after) {
    enum { SLOW_DOWN_SECONDS = 5 };
    double named = 0; /* some providers say the new one in the body, as for RFC 8628 */
    interval = fmax(interval + SLOW_DOWN_SECONDS, 1.5 * interval);
    if (json_number_or_digits(body, "interval", &named) && named > interval)
        interval = named;
    interval = retry_after > interval ? retry_after : interval;
    return interval < LONGEST_INTERVAL ? interval : LONGEST_INTERVAL;
}
