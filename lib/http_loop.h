/* The event loop under http.c: the sockets that libcurl wants to be watched, as it tells of them,
 * so that only those which something has come for are looked at. */
#ifndef CIBA_HTTP_LOOP_H
#define CIBA_HTTP_LOOP_H

#include <curl/curl.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

struct http_loop {
    CURLM *multi;
    struct pollfd *sockets;
    size_t count, room;
    double timer_at; /* when libcurl wants to be called (as clock_elapsed has it), 0 for never */
};

/* Makes the multi handle tell the loop of its sockets. The loop must not move. */
void http_loop_init(struct http_loop *loop, CURLM *multi);
void http_loop_free(struct http_loop *loop);

/* Waits until a socket is ready, libcurl's timer is due, one of the descriptors can be read, or the
 * seconds have passed; and lets libcurl do what there is to do. Whether any was ready. */
bool http_loop_wait(struct http_loop *loop, const int *descriptors, unsigned count, double seconds);

#endif
