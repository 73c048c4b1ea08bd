#include "system/child_watch.h"

#include "system/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

static int child_ended[2];

static void on_child(int number) {
    int before = errno;
    (void)number;
    if (write(child_ended[1], "", 1) < 0)
        errno = before; /* the pipe is full of them */
    errno = before;
}

int child_watch(void) {
    struct sigaction action = {.sa_handler = on_child};
    sigemptyset(&action.sa_mask);
    bool good = process_close_on_exec(pipe(child_ended), child_ended) &&
                fcntl(child_ended[0], F_SETFL, O_NONBLOCK) == 0 &&
                fcntl(child_ended[1], F_SETFL, O_NONBLOCK) == 0 &&
                sigaction(SIGCHLD, &action, NULL) == 0;
    return good ? child_ended[0] : -1;
}
