#include "ciba/next_poll.h"

#include "base/backoff.h"
#include "base/clock.h"
#include "ciba/interval.h"

#include <math.h>

enum {
    LONGEST_BACKOFF = 60, /* seconds between tries while the server is in trouble */
    SAFETY_POLL = 60      /* seconds between polls while a notification is expected */
};

double next_poll_backoff(double base, int troubles) {
    struct backoff backoff = {.base = base, .cap = LONGEST_BACKOFF, .jitter = 0.5};
    return backoff_wait(&backoff, troubles);
}

double next_poll_safety(const struct pending_request *request) {
    double left = request->deadline - clock_elapsed();
    return fmax(fmin(0.8 * left, SAFETY_POLL), request->interval);
}

double next_poll_after_trouble(const struct pending_request *request,
                               const struct http_answer *answer) {
    double seconds = next_poll_backoff(request->interval, request->troubles);
    return answer->retry_after > seconds && answer->retry_after <= LONGEST_INTERVAL
               ? answer->retry_after
               : seconds;
}

double next_poll_while_pending(const struct pending_request *request,
                               const struct http_answer *answer) {
    double pause = request->expects ? next_poll_safety(request) : request->interval;
    return answer->retry_after > pause && answer->retry_after <= LONGEST_INTERVAL
               ? answer->retry_after
               : pause;
}
