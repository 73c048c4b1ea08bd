/* Preloaded into a command (LD_PRELOAD): simulates a kernel without Landlock and seccomp, or with
 * an older Landlock.
 *
 *     LANDLOCK_ABI  its Landlock version, 0 for none, at most the real kernel's
 *     HAS_SECCOMP   if set, it has seccomp */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static long refuse(int problem) {
    errno = problem;
    return -1;
}

/* An unknown right is an invalid argument. */
static int knows(long abi, const uint64_t *handled) {
    int files = abi >= 9 ? 17 : abi >= 5 ? 16 : abi >= 3 ? 15 : abi >= 2 ? 14 : 13;
    return handled[0] >> files == 0 && handled[1] >> (abi >= 4 ? 2 : 0) == 0 &&
           handled[2] >> (abi >= 6 ? 2 : 0) == 0;
}

long syscall(long number, ...) {
    const char *abi = getenv("LANDLOCK_ABI");
    long arguments[6], version = abi != NULL ? atol(abi) : 0;
    va_list list;
    va_start(list, number);
    for (int i = 0; i < 6; i++)
        arguments[i] = va_arg(list, long);
    va_end(list);
    if (number == SYS_seccomp && getenv("HAS_SECCOMP") == NULL)
        return refuse(ENOSYS);
    if (number == SYS_landlock_create_ruleset) {
        if (version == 0)
            return refuse(ENOSYS);
        if (arguments[0] == 0)
            return version;
        if (!knows(version, (const uint64_t *)arguments[0]))
            return refuse(EINVAL);
    }
    long (*real)(long, ...) = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
    return real(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4],
                arguments[5]);
}
