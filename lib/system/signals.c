#include "system/signals.h"

#include "system/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

static int ends[2] = {-1, -1};

static void on_signal(int number) {
    char byte = (char)number;
    int before = errno;
    if (write(ends[1], &byte, 1) < 0)
        errno = before; /* the pipe is full of them */
    errno = before;
}

int signals_catch(struct error *error) {
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    if (!process_close_on_exec(pipe(ends), ends)) {
        fail(error, STATUS_INTERNAL, "the system gives no pipe");
        return -1;
    }
    for (int i = 0; i < 2; i++)
        fcntl(ends[i], F_SETFL, O_NONBLOCK);
    signal(SIGPIPE, SIG_IGN);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    return ends[0];
}

int signals_caught(void) {
    char byte;
    return read(ends[0], &byte, 1) == 1 ? byte : 0;
}
