#include "base/backoff.h"

#include <math.h>
#include <openssl/rand.h>

enum { DOUBLINGS = 20 };

/* A number from 0 to 1. */
static double noise(void) {
    unsigned short bits = 0;
    RAND_bytes((unsigned char *)&bits, sizeof bits);
    return bits / 65535.0;
}

double backoff_wait(const struct backoff *backoff, double failed) {
    double wait = backoff->base * exp2(fmin(failed, DOUBLINGS));
    wait = fmin(wait, fmax(backoff->base, backoff->cap));
    return backoff->jitter == 0 ? wait : wait * (1 + backoff->jitter * noise());
}
