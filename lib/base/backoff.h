/* How long to wait before retrying something that failed. */
#ifndef CIBA_BASE_BACKOFF_H
#define CIBA_BASE_BACKOFF_H

struct backoff {
    double base;   /* seconds before the second try */
    double cap;    /* seconds; a longer base stays as it is */
    double jitter; /* a fraction of the wait: lengthens it by up to that much, or shortens it if
                      negative, so that a thousand clients do not come back at the same moment; 0
                      for none */
};

/* The seconds to wait before the next try. `failed` is the number of tries in a row that failed
 * before this one. The wait is the base, doubled for each of them up to the cap, with jitter. */
double backoff_wait(const struct backoff *backoff, double failed);

#endif
