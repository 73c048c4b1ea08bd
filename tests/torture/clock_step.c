/* Preloaded (LD_PRELOAD): shifts the time of day by the seconds in the file CLOCK_STEP, a number
 * that can be changed in place while the process runs. A second number shifts the time that has
 * elapsed since the boot. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { SIZE = 32 };

static const char *step;

/* Before the command gives up its rights. */
__attribute__((constructor)) static void open_step(void) {
    const char *path = getenv("CLOCK_STEP");
    int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    void *map = fd < 0 ? MAP_FAILED : mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
    step = map == MAP_FAILED ? NULL : map;
    if (fd >= 0)
        close(fd);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, now);
    char *end = NULL;
    long of_day = step != NULL ? strtol(step, &end, 10) : 0;
    if (clock == CLOCK_REALTIME)
        now->tv_sec += of_day;
    else if (clock == CLOCK_MONOTONIC && step != NULL)
        now->tv_sec += strtol(end, NULL, 10);
    return result;
}
