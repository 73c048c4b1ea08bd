/* Preloaded: the time of day is as many seconds off as the file CLOCK_STEP says, a number that can
 * be changed in its place while the process runs. */
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
    if (clock == CLOCK_REALTIME && step != NULL)
        now->tv_sec += strtol(step, NULL, 10);
    return result;
}
