/* The event loop of http.c. libcurl announces the sockets to watch, so that only those with events
 * are processed. */
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
    double timer_at; /* when libcurl wants to be called (as clock_elapsed), 0 for never */
};

/* Makes the multi handle announce its sockets to the loop. The loop must not move in memory. */
void http_loop_init(struct http_loop *loop, CURLM *multi);
void http_loop_free(struct http_loop *loop);

/* Waits until a socket is ready, libcurl's timer expires, one of the descriptors is readable, or
 * `seconds` have passed; then lets libcurl work. Returns whether any socket or descriptor was
 * ready. */
bool http_loop_wait(struct http_loop *loop, const int *descriptors, unsigned count, double seconds);

#endif
