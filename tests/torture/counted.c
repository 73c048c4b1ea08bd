/* Preloaded (LD_PRELOAD): no process gives up its ended children unseen. The CPU time of children
 * of a process that ignores SIGCHLD is counted nowhere; so they stay until it ends, and go to who
 * counts (tests/helpers/measure.c). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>

sighandler_t signal(int number, sighandler_t handler) {
    static sighandler_t (*real)(int, sighandler_t);
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "signal");
    return real(number, number == SIGCHLD && handler == SIG_IGN ? SIG_DFL : handler);
}

int sigaction(int number, const struct sigaction *action, struct sigaction *old) {
    static int (*real)(int, const struct sigaction *, struct sigaction *);
    struct sigaction changed;
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "sigaction");
    if (number != SIGCHLD || action == NULL)
        return real(number, action, old);
    changed = *action;
    changed.sa_flags &= ~SA_NOCLDWAIT;
    if (!(changed.sa_flags & SA_SIGINFO) && changed.sa_handler == SIG_IGN)
        changed.sa_handler = SIG_DFL;
    return real(number, &changed, old);
}
