#include "clock.h"

double clock_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

double clock_elapsed(void) {
    enum { LONG_BEFORE = 1000000 };
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return LONG_BEFORE + (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void clock_sleep(double seconds) {
    time_t whole = (time_t)seconds;
    nanosleep(&(struct timespec){whole, (long)((seconds - (double)whole) * 1e9)}, NULL);
}

struct tm clock_utc(void) {
    time_t now = (time_t)clock_now();
    struct tm parts;
    gmtime_r(&now, &parts);
    return parts;
}
