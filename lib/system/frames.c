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
    *frames = (struct frames){.socket = socket, .limit = limit, .descriptor = -1};
}

void frames_close(struct frames *frames) {
    if (frames->socket >= 0)
        close(frames->socket);
    if (frames->descriptor >= 0)
        close(frames->descriptor);
    free(frames->in);
    free(frames->out);
    *frames = (struct frames){.socket = -1, .descriptor = -1};
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
    if (frames->descriptor >= 0)
        frames->descriptor_at -= frames->in_taken;
    frames->in_size = left;
    frames->in_taken = 0;
    size_t wanted = left + (left > PIECE ? left : PIECE);
    if (frames->in_room >= wanted && frames->in_room <= 4 * wanted)
        return;
    frames->in = must_grow(frames->in, wanted);
    frames->in_room = wanted;
}

/* Keeps the one descriptor that came, and closes any others. False if there were others. */
static bool take_descriptors(struct frames *frames, struct msghdr *message, size_t end) {
    bool good = (message->msg_flags & MSG_CTRUNC) == 0;
    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int descriptor;
            memcpy(&descriptor, CMSG_DATA(part) + i * sizeof descriptor, sizeof descriptor);
            if (frames->descriptor >= 0) {
                close(descriptor);
                good = false;
                continue;
            }
            fcntl(descriptor, F_SETFD, FD_CLOEXEC);
            frames->descriptor = descriptor;
            frames->descriptor_at = end;
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
    if (frames->descriptor >= 0 && frames->descriptor_at <= frames->in_taken) {
        frame->descriptor = frames->descriptor;
        frames->descriptor = -1;
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

void frames_put(struct frames *frames, const struct frame *frame) {
    struct head head = {frame->size, frame->kind, frame->flags, frame->number};
    add_out(frames, &head, sizeof head);
    add_out(frames, frame->bytes, frame->size);
}

size_t frames_unsent(const struct frames *frames) {
    return frames->out_size - frames->out_sent;
}

/* Whether it can be sent later: the buffers are full, or the kernel is out of memory. */
static bool is_passing(int problem) {
    return problem == EAGAIN || problem == EWOULDBLOCK || problem == ENOBUFS || problem == ENOMEM;
}

/* Sends until all is sent or, with MSG_DONTWAIT, it would wait. False with errno set. */
static bool send_out(struct frames *frames, int flags) {
    while (frames_unsent(frames) > 0) {
        ssize_t put = send(frames->socket, frames->out + frames->out_sent, frames_unsent(frames),
                           flags | MSG_NOSIGNAL);
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
    frames->out_size = frames->out_sent = 0; /* what it said before is heard still */
    return FRAMES_BROKEN;
}

bool frames_send(struct frames *frames, const struct frame *frame) {
    frames_put(frames, frame);
    return send_out(frames, 0);
}

bool frame_send_descriptor(int socket, uint16_t kind, uint32_t number, int descriptor) {
    _Alignas(struct cmsghdr) char room[CMSG_SPACE(sizeof descriptor)] = {0};
    struct head head = {0, kind, 0, number};
    struct iovec part = {&head, sizeof head};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
    struct cmsghdr *control = CMSG_FIRSTHDR(&message);
    ssize_t put;
    control->cmsg_level = SOL_SOCKET;
    control->cmsg_type = SCM_RIGHTS;
    control->cmsg_len = CMSG_LEN(sizeof descriptor);
    memcpy(CMSG_DATA(control), &descriptor, sizeof descriptor);
    while ((put = sendmsg(socket, &message, MSG_NOSIGNAL)) < 0 && errno == EINTR)
        continue;
    if (put >= 0 && put < (ssize_t)sizeof head)
        errno = EIO;
    return put == (ssize_t)sizeof head;
}
