#include "system/program_queue.h"

#include "base/error.h"
#include "system/child_watch.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct waiting {
    void *request;
    struct waiting *next;
};

struct line {
    struct waiting *first, **end; /* where the next one goes */
    int running;
};

static void count_the_ended(int children, int *running) {
    char bytes[PROGRAM_QUEUE_LIMIT];
    while (read(children, bytes, sizeof bytes) > 0)
        continue;
    while (*running > 0 && waitpid(-1, NULL, WNOHANG) > 0)
        --*running;
}

/* False if there is no process for it now. */
static bool start(struct program_queue *queue, void *request) {
    pid_t process = fork();
    if (process == 0) {
        if (queue->socket >= 0)
            close(queue->socket);
        signal(SIGCHLD, SIG_DFL);
        queue->work(queue->context, request);
        _exit(STATUS_DONE);
    }
    return process > 0;
}

/* Starts what there is room for. */
static void start_some(struct program_queue *queue, struct line *line) {
    while (line->first != NULL && line->running < PROGRAM_QUEUE_LIMIT) {
        struct waiting *next = line->first;
        bool started = start(queue, next->request);
        if (!started && line->running > 0)
            return;
        if (!started)
            report(NULL, "no process for a program: %s", strerror(errno));
        line->running += started;
        line->first = next->next;
        if (line->first == NULL)
            line->end = &line->first;
        queue->drop(next->request);
        free(next);
    }
}

/* Puts the next request behind the others. */
static void take(struct program_queue *queue, struct line *line) {
    void *request = NULL;
    if (!queue->take(queue->context, &request)) {
        close(queue->socket);
        queue->socket = -1;
    }
    if (request == NULL)
        return;
    struct waiting *last = must_alloc(sizeof *last);
    *last = (struct waiting){request, NULL};
    *line->end = last;
    line->end = &last->next;
}

_Noreturn void program_queue_serve(struct program_queue *queue) {
    struct line line = {.end = &line.first};
    int children = child_watch();
    if (children < 0)
        _exit(STATUS_INTERNAL);
    while (queue->socket >= 0 || line.first != NULL) {
        struct pollfd watched[] = {{children, POLLIN, 0},
                                   {queue->socket, POLLIN, 0},
                                   {queue->life > 0 ? queue->life : -1, POLLIN, 0}};
        if (poll(watched, 3, -1) < 0 && errno != EINTR)
            _exit(STATUS_INTERNAL);
        count_the_ended(children, &line.running);
        if (watched[2].revents != 0)
            break;
        if (watched[1].revents != 0)
            take(queue, &line);
        start_some(queue, &line);
    }
    _exit(STATUS_DONE);
}
