#include "http/loop.h"

#include "base/clock.h"
#include "base/error.h"

#include <math.h>
#include <stdlib.h>

static size_t find(const struct http_loop *loop, curl_socket_t socket) {
    size_t at = 0;
    while (at < loop->count && loop->sockets[at].fd != socket)
        at++;
    return at;
}

static int on_socket(CURL *easy, curl_socket_t socket, int what, void *context, void *data) {
    struct http_loop *loop = context;
    size_t at = find(loop, socket);
    (void)easy, (void)data;
    if (what == CURL_POLL_REMOVE) {
        if (at < loop->count)
            loop->sockets[at] = loop->sockets[--loop->count];
        return 0;
    }
    if (at == loop->count) {
        if (loop->count == loop->room) {
            loop->room = 2 * loop->room + 16;
            loop->sockets = must_grow(loop->sockets, loop->room * sizeof *loop->sockets);
        }
        loop->count++;
    }
    short events =
        (short)((what & CURL_POLL_IN ? POLLIN : 0) | (what & CURL_POLL_OUT ? POLLOUT : 0));
    loop->sockets[at] = (struct pollfd){socket, events, 0};
    return 0;
}

static int on_timer(CURLM *multi, long milliseconds, void *context) {
    struct http_loop *loop = context;
    (void)multi;
    loop->timer_at = milliseconds < 0 ? 0 : clock_elapsed() + (double)milliseconds / 1000;
    return 0;
}

void http_loop_init(struct http_loop *loop, CURLM *multi) {
    *loop = (struct http_loop){.multi = multi};
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, loop);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, loop);
}

void http_loop_free(struct http_loop *loop) {
    free(loop->sockets);
    loop->sockets = NULL;
    loop->count = loop->room = 0;
}

static int action_of(short events) {
    return (events & POLLIN ? CURL_CSELECT_IN : 0) | (events & POLLOUT ? CURL_CSELECT_OUT : 0) |
           (events & (POLLERR | POLLHUP | POLLNVAL) ? CURL_CSELECT_ERR : 0);
}

bool http_loop_wait(struct http_loop *loop, const int *descriptors, unsigned count,
                    double seconds) {
    double now = clock_elapsed(), wait = seconds;
    int running;
    if (loop->timer_at > 0)
        wait = fmin(wait, loop->timer_at - now);
    wait = fmin(fmax(wait, 0), 3600);
    struct pollfd *watched = must_alloc((loop->count + count + 1) * sizeof *watched);
    size_t sockets = loop->count; /* libcurl may change the loop's array during the calls below */
    for (size_t i = 0; i < sockets; i++)
        watched[i] = loop->sockets[i];
    for (unsigned i = 0; i < count; i++)
        watched[sockets + i] = (struct pollfd){descriptors[i], POLLIN, 0};
    /* Rounded up: a timer must have expired when this returns. */
    int ready = poll(watched, sockets + count, (int)(wait * 1000 + 0.999));
    for (size_t i = 0; ready > 0 && i < sockets; i++)
        if (watched[i].revents != 0)
            curl_multi_socket_action(loop->multi, watched[i].fd, action_of(watched[i].revents),
                                     &running);
    free(watched);
    if (loop->timer_at > 0 && clock_elapsed() >= loop->timer_at) {
        loop->timer_at = 0;
        curl_multi_socket_action(loop->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
    return ready > 0;
}
