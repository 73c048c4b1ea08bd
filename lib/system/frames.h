/* Frames over a stream socket between two processes of one machine: a head (size, kind, flags and
 * number, in native order), then `size` bytes. Nobody can make the other side wait or grow: an
 * engine reads and writes what can be had without waiting (frames_fill, frames_flush), and its
 * peer may wait (frames_wait, frames_send). A socket is never put into non-blocking mode, because
 * other processes may share it. Nothing raises SIGPIPE. */
#ifndef CIBA_SYSTEM_FRAMES_H
#define CIBA_SYSTEM_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FRAME_HEAD_SIZE = 12 };

struct frame {
    uint16_t kind, flags;
    uint32_t number;
    uint32_t size;
    char *bytes;    /* followed by a 0 byte; NULL if there are none */
    int descriptor; /* that came with it, -1 for none */
};

/* Frees the bytes and closes the descriptor. */
void frame_free(struct frame *frame);

/* A descriptor on its way: `from` is where its frame begins in `out`, `end` where it ends, or where
 * the bytes end in `in` with which it came. */
struct frame_descriptor {
    int descriptor;
    size_t from, end;
};

/* One end of a connection. */
struct frames {
    int socket;
    size_t limit; /* of a frame's size in bytes */
    char *in;     /* what has arrived and was not taken yet: never more than a frame and a piece */
    size_t in_size, in_room, in_taken;
    char *out; /* what is still to be sent */
    size_t out_size, out_room, out_sent;
    struct frame_descriptor *leaving; /* descriptors to be sent, in the order of their frames */
    size_t leaving_count;
    struct frame_descriptor arrived[2]; /* of the frame that arrives, and of the next */
    size_t arrived_count;
    bool ended, broken;
};

/* Takes the socket. */
void frames_open(struct frames *frames, int socket, size_t limit);

/* Closes the socket, and forgets what was not taken or sent. */
void frames_close(struct frames *frames);

enum frames_state {
    FRAMES_GOOD,
    FRAMES_ENDED, /* the other side has closed it, between two frames */
    FRAMES_BROKEN /* it ended within a frame, sent one over the limit or what frames do not have, or
                     the socket failed: nothing that comes later is believed */
};

/* Reads once what has arrived, without waiting. Call it when the socket is readable and frames_next
 * has none left. FRAMES_GOOD also if nothing was there. */
enum frames_state frames_fill(struct frames *frames);

/* Takes the next frame that has arrived whole; false if there is none. The caller frees it with
 * frame_free. A descriptor belongs to the frame with which it was sent. */
bool frames_next(struct frames *frames, struct frame *frame);

/* Waits for the next frame. FRAMES_GOOD: *frame is set. */
enum frames_state frames_wait(struct frames *frames, struct frame *frame);

/* Adds a frame to what is to be sent, with a copy of its descriptor, and sends nothing. The frame
 * stays the caller's. False with errno set if there can be no copy: then nothing was added. */
bool frames_put(struct frames *frames, const struct frame *frame);

/* Bytes that are still to be sent: poll for POLLOUT while there are any. Whoever answers more than
 * it is asked looks here, so that a peer that does not read costs no memory. */
size_t frames_unsent(const struct frames *frames);

/* Sends what can be sent without waiting. FRAMES_BROKEN if the other side is gone: what was to be
 * sent is forgotten, but what it sent before can still be read. */
enum frames_state frames_flush(struct frames *frames);

/* Sends the frame after what is still to be sent, and waits until it is sent. False with errno
 * set. */
bool frames_send(struct frames *frames, const struct frame *frame);

/* Sends a frame without bytes, with a descriptor, in one piece, on a socket to which other
 * processes may be doing the same. False with errno set. */
bool frame_send_descriptor(int socket, uint16_t kind, uint32_t number, int descriptor);

#endif
