#include "system/frames.h"

#include "base/memory.h"
#include "system/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PIECE = 65536, DESCRIPTORS = 4 };

struct head {
    uint32_t size;
    uint16_t kind, flags;
    uint32_t number;
};
_Static_assert(sizeof(struct head) == FRAME_HEAD_SIZE, "a head has no gaps");

void frame_free(struct frame *frame) {
    free(frame->bytes);
    if (frame->descriptor >= 0)
        close(frame->descriptor);
    *frame = (struct frame){.descriptor = -1};
}

void frames_open(struct frames *frames, int socket, size_t limit) {
    *frames = (struct frames){.socket = socket, .limit = limit};
}

static void forget_leaving(struct frames *frames) {
    while (frames->leaving_count > 0)
        close(frames->leaving[--frames->leaving_count].descriptor);
}

void frames_close(struct frames *frames) {
    if (frames->socket >= 0)
        close(frames->socket);
    while (frames->arrived_count > 0)
        close(frames->arrived[--frames->arrived_count].descriptor);
    forget_leaving(frames);
    free(frames->leaving);
    free(frames->in);
    free(frames->out);
    *frames = (struct frames){.socket = -1};
}

/* The head of the frame that comes next; false if it has not arrived. */
static bool next_head(const struct frames *frames, struct head *head) {
    if (frames->in_size - frames->in_taken < sizeof *head)
        return false;
    memcpy(head, frames->in + frames->in_taken, sizeof *head);
    return true;
}

/* Makes room for the rest of the frame that is arriving, by pieces: what a head promises is not
 * believed before it comes. Gives back what a large frame needed. */
static void make_room(struct frames *frames) {
    size_t left = frames->in_size - frames->in_taken;
    if (frames->in_taken > 0 && left > 0)
        memmove(frames->in, frames->in + frames->in_taken, left);
    for (size_t i = 0; i < frames->arrived_count; i++)
        frames->arrived[i].end -= frames->in_taken;
    frames->in_size = left;
    frames->in_taken = 0;
    size_t wanted = left + (left > PIECE ? left : PIECE);
    if (frames->in_room >= wanted && frames->in_room <= 4 * wanted)
        return;
    frames->in = must_grow(frames->in, wanted);
    frames->in_room = wanted;
}

/* Keeps the descriptors that came, if there are no more than frames to which they can belong, and
 * closes any others. False if there were others. */
static bool take_descriptors(struct frames *frames, struct msghdr *message, size_t end) {
    bool good = (message->msg_flags & MSG_CTRUNC) == 0;
    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int descriptor;
            memcpy(&descriptor, CMSG_DATA(part) + i * sizeof descriptor, sizeof descriptor);
            if (frames->arrived_count == sizeof frames->arrived / sizeof *frames->arrived) {
                close(descriptor);
                good = false;
                continue;
            }
            fcntl(descriptor, F_SETFD, FD_CLOEXEC);
            frames->arrived[frames->arrived_count++] =
                (struct frame_descriptor){.descriptor = descriptor, .end = end};
        }
    }
    return good;
}

static enum frames_state broken(struct frames *frames) {
    frames->broken = true;
    return FRAMES_BROKEN;
}

/* Reads once. */
static enum frames_state receive(struct frames *frames, int flags) {
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(DESCRIPTORS * sizeof(int))];
    struct head head;
    if (frames->broken)
        return FRAMES_BROKEN;
    if (frames->ended)
        return FRAMES_ENDED;
    make_room(frames);
    struct iovec part = {frames->in + frames->in_size, frames->in_room - frames->in_size};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    ssize_t got = recvmsg(frames->socket, &message, flags);
    if (got < 0)
        return errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK ? FRAMES_GOOD
                                                                         : broken(frames);
    frames->in_size += (size_t)got;
    if (!take_descriptors(frames, &message, frames->in_size))
        return broken(frames);
    frames->ended = got == 0;
    if (frames->ended)
        return frames->in_size > frames->in_taken ? broken(frames) : FRAMES_ENDED;
    return next_head(frames, &head) && head.size > frames->limit ? broken(frames) : FRAMES_GOOD;
}

enum frames_state frames_fill(struct frames *frames) {
    return receive(frames, MSG_DONTWAIT);
}

bool frames_next(struct frames *frames, struct frame *frame) {
    struct head head;
    *frame = (struct frame){.descriptor = -1};
    if (frames->broken || !next_head(frames, &head))
        return false;
    if (head.size > frames->limit) {
        frames->broken = true;
        return false;
    }
    size_t from = frames->in_taken + sizeof head;
    if (frames->in_size - from < head.size)
        return false;
    *frame = (struct frame){.kind = head.kind,
                            .flags = head.flags,
                            .number = head.number,
                            .size = head.size,
                            .descriptor = -1};
    if (head.size > 0) {
        frame->bytes = must_alloc((size_t)head.size + 1);
        memcpy(frame->bytes, frames->in + from, head.size);
        frame->bytes[head.size] = '\0';
    }
    frames->in_taken = from + head.size;
    if (frames->arrived_count > 0 && frames->arrived[0].end <= frames->in_taken) {
        frame->descriptor = frames->arrived[0].descriptor;
        frames->arrived[0] = frames->arrived[1];
        frames->arrived_count--;
    }
    return true;
}

enum frames_state frames_wait(struct frames *frames, struct frame *frame) {
    enum frames_state state = FRAMES_GOOD;
    while (!frames_next(frames, frame) && state == FRAMES_GOOD)
        state = frames->broken ? FRAMES_BROKEN : receive(frames, 0);
    return state;
}

static void add_out(struct frames *frames, const void *bytes, size_t size) {
    if (frames->out_sent > frames->out_size / 2) {
        memmove(frames->out, frames->out + frames->out_sent, frames_unsent(frames));
        frames->out_size -= frames->out_sent;
        for (size_t i = 0; i < frames->leaving_count; i++) {
            frames->leaving[i].from -= frames->out_sent;
            frames->leaving[i].end -= frames->out_sent;
        }
        frames->out_sent = 0;
    }
    if (frames->out_size + size > frames->out_room) {
        frames->out_room = 2 * (frames->out_size + size);
        frames->out = must_grow(frames->out, frames->out_room);
    }
    if (size > 0)
        memcpy(frames->out + frames->out_size, bytes, size);
    frames->out_size += size;
}

/* The copy of a frame's descriptor leaves with the frame, which is the last in `out`. */
static void add_descriptor(struct frames *frames, int copy, size_t size) {
    frames->leaving =
        must_grow(frames->leaving, (frames->leaving_count + 1) * sizeof *frames->leaving);
    frames->leaving[frames->leaving_count++] =
        (struct frame_descriptor){copy, frames->out_size - size, frames->out_size};
}

bool frames_put(struct frames *frames, const struct frame *frame) {
    struct head head = {frame->size, frame->kind, frame->flags, frame->number};
    int copy = frame->descriptor >= 0 ? fcntl(frame->descriptor, F_DUPFD_CLOEXEC, 0) : -1;
    if (frame->descriptor >= 0 && copy < 0)
        return false;
    add_out(frames, &head, sizeof head);
    add_out(frames, frame->bytes, frame->size);
    if (copy >= 0)
        add_descriptor(frames, copy, sizeof head + frame->size);
    return true;
}

size_t frames_unsent(const struct frames *frames) {
    return frames->out_size - frames->out_sent;
}

/* Whether it can be sent later: the buffers are full, or the kernel has no room for more. */
static bool is_passing(int problem) {
    return problem == EAGAIN || problem == EWOULDBLOCK || problem == ENOBUFS || problem == ENOMEM ||
           problem == ETOOMANYREFS;
}

/* Makes the descriptor part of the message; `room` is for one. */
static void attach(struct msghdr *message, char *room, size_t size, int descriptor) {
    message->msg_control = room;
    message->msg_controllen = size;
    struct cmsghdr *control = CMSG_FIRSTHDR(message);
    control->cmsg_level = SOL_SOCKET;
    control->cmsg_type = SCM_RIGHTS;
    control->cmsg_len = CMSG_LEN(sizeof descriptor);
    memcpy(CMSG_DATA(control), &descriptor, sizeof descriptor);
}

/* Sends once, at most up to the next frame with a descriptor, or to the end of that frame: who
 * receives it knows then to which frame it belongs. */
static ssize_t send_some(struct frames *frames, int flags) {
    _Alignas(struct cmsghdr) char room[CMSG_SPACE(sizeof(int))] = {0};
    struct frame_descriptor *next = frames->leaving_count > 0 ? frames->leaving : NULL;
    bool with = next != NULL && next->from == frames->out_sent;
    size_t end = with ? next->end : next != NULL ? next->from : frames->out_size;
    struct iovec part = {frames->out + frames->out_sent, end - frames->out_sent};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (with)
        attach(&message, room, sizeof room, next->descriptor);
    ssize_t put = sendmsg(frames->socket, &message, flags | MSG_NOSIGNAL);
    if (put > 0 && with) {
        close(next->descriptor);
        frames->leaving_count--;
        memmove(next, next + 1, frames->leaving_count * sizeof *next);
    }
    return put;
}

/* Sends until all is sent or, with MSG_DONTWAIT, it would wait. False with errno set. */
static bool send_out(struct frames *frames, int flags) {
    while (frames_unsent(frames) > 0) {
        ssize_t put = send_some(frames, flags);
        if (put < 0 && (flags & MSG_DONTWAIT) != 0 && is_passing(errno))
            return true;
        if (put < 0 && errno != EINTR)
            return false;
        frames->out_sent += put > 0 ? (size_t)put : 0;
    }
    frames->out_size = frames->out_sent = 0;
    if (frames->out_room > 4 * (size_t)PIECE) {
        free(frames->out);
        frames->out = NULL;
        frames->out_room = 0;
    }
    return true;
}

enum frames_state frames_flush(struct frames *frames) {
    if (send_out(frames, MSG_DONTWAIT))
        return FRAMES_GOOD;
    forget_leaving(frames); /* what it said before is heard still */
    frames->out_size = frames->out_sent = 0;
    return FRAMES_BROKEN;
}

bool frames_send(struct frames *frames, const struct frame *frame) {
    return frames_put(frames, frame) && send_out(frames, 0);
}

bool frame_send_descriptor(int socket, uint16_t kind, uint32_t number, int descriptor) {
    _Alignas(struct cmsghdr) char room[CMSG_SPACE(sizeof descriptor)] = {0};
    struct head head = {0, kind, 0, number};
    struct iovec part = {&head, sizeof head};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    ssize_t put;
    attach(&message, room, sizeof room, descriptor);
    while ((put = sendmsg(socket, &message, MSG_NOSIGNAL)) < 0 && errno == EINTR)
        continue;
    if (put >= 0 && put < (ssize_t)sizeof head)
        errno = EIO;
    return put == (ssize_t)sizeof head;
}
