/* Programs that nobody waits for, so many at a time and no more: the others wait in memory. 10,000
 * decisions at once must not become 20,000 processes, for which the machine has no room: then what
 * has been approved could not be started either. */
#ifndef CIBA_SYSTEM_PROGRAM_QUEUE_H
#define CIBA_SYSTEM_PROGRAM_QUEUE_H

#include <stdbool.h>

enum { PROGRAM_QUEUE_LIMIT = 32 /* that run at a time */ };

/* What the queue is about; all functions get the context. */
struct program_queue {
    int socket; /* readable when a request is there, or when there will be none */
    int life;   /* at its end those that wait are given up; 0 for none */
    void *context;
    /* Takes a request from the socket, or NULL for one that is invalid. False at the end. */
    bool (*take)(void *context, void **request);
    /* Does what is requested in a process of its own, which must end in it: it has the default
     * SIGCHLD, and not the socket. */
    void (*work)(void *context, void *request);
    void (*drop)(void *request); /* frees it */
};

/* Serves requests until there are none any more, and ends the process when the last was begun. A
 * request for which there is no process waits until one of those before has ended; if there is
 * none, that is reported. */
_Noreturn void program_queue_serve(struct program_queue *queue);

#endif
