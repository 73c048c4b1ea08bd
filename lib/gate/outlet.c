#include "gate/outlet.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    ALWAYS_FITS = 512, /* bytes that a pipe takes whole if it is ready: PIPE_BUF at least */
    KEPT_SIZE = 1 << 20
};

struct outlet outlet(int descriptor, bool never_blocks) {
    return (struct outlet){.descriptor = descriptor, .never_blocks = never_blocks};
}

size_t outlet_left(const struct outlet *outlet) {
    return outlet->text.size - outlet->sent;
}

/* Moves what is left to the front, before it is a small part of the whole. */
static void close_up(struct outlet *outlet) {
    size_t left = outlet_left(outlet);
    if (outlet->sent < KEPT_SIZE || outlet->sent < left)
        return;
    memmove(outlet->text.text, outlet->text.text + outlet->sent, left + 1);
    outlet->text.size = left;
    outlet->sent = 0;
}

static void empty(struct outlet *outlet) {
    outlet->sent = outlet->text.size = 0;
    if (outlet->text.room > KEPT_SIZE) {
        free(outlet->text.text);
        outlet->text = (struct text){.text = NULL};
    }
}

/* How much can be written without waiting for the reader; 0 for nothing now. */
static size_t takes(const struct outlet *outlet) {
    struct pollfd ready = {outlet->descriptor, POLLOUT, 0};
    size_t left = outlet_left(outlet);
    if (outlet->never_blocks)
        return left;
#ifdef PIPE_BUF
    size_t most = PIPE_BUF;
#else
    size_t most = ALWAYS_FITS;
#endif
    return poll(&ready, 1, 0) == 1 ? (left < most ? left : most) : 0;
}

void outlet_write(struct outlet *outlet) {
    size_t size;
    while (!outlet->broken && (size = takes(outlet)) > 0) {
        ssize_t put = write(outlet->descriptor, outlet->text.text + outlet->sent, size);
        if (put > 0) {
            outlet->sent += (size_t)put;
            if ((size_t)put < size)
                break;
        } else if (put < 0 && errno != EINTR) {
            outlet->broken = errno != EAGAIN && errno != EWOULDBLOCK;
            break;
        }
    }
    if (outlet->broken || outlet_left(outlet) == 0)
        empty(outlet);
    else
        close_up(outlet);
}

void outlet_close(struct outlet *outlet) {
    if (outlet->descriptor >= 0)
        close(outlet->descriptor);
    free(outlet->text.text);
    *outlet = (struct outlet){.descriptor = -1, .broken = true};
}
