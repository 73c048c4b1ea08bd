#include "base/clock.h"

#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

double clock_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

bool clock_went_back(double moment) {
    enum { AHEAD = 1 };
    return moment > clock_now() + AHEAD;
}

double clock_elapsed(void) {
    enum { LONG_BEFORE = 1000000 };
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return LONG_BEFORE + (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

const char *clock_boot(void) {
    static char boot[40];
    static bool known;
    if (!known) {
        int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
        ssize_t size = 0;
        while (fd >= 0 && (size = read(fd, boot, sizeof boot - 1)) < 0 && errno == EINTR)
            continue;
        boot[size > 0 ? strcspn(boot, "\n") : 0] = '\0';
        if (fd >= 0)
            close(fd);
        known = true;
    }
    return boot;
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

char *clock_text(double time) {
    char text[40];
    time_t seconds = (time_t)time;
    struct tm parts;
    if (!(time > 0) || localtime_r(&seconds, &parts) == NULL)
        return must_copy("-");
    strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts);
    return must_copy(text);
}
