/* The bytes that a peer sends between agent-spool's engine and a stage: as frames, each read as
 * both sides would. What was read is said again in the same way. */
#include "document/stage_messages.h"
#include "json/json.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A message that can be read can be made, and is then read as the same. */
static void say_again(const struct stage_message *message, enum stage_side from) {
    struct frame frame, other;
    struct stage_message again;
    struct error error;
    if (!stage_message_frame(message, &frame, &error))
        abort();
    if (message->kind == STAGE_KNOCK)
        frame.descriptor = dup(message->descriptor);
    if (!stage_message_read(&frame, from, &again, &error))
        abort();
    if (!stage_message_frame(&again, &other, &error) || frame.size != other.size ||
        frame.flags != other.flags || frame.number != other.number ||
        (frame.size > 0 && memcmp(frame.bytes, other.bytes, frame.size) != 0))
        abort();
    stage_message_free(&again);
    frame_free(&frame);
    frame_free(&other);
}

static void read_as(struct frame *frame, enum stage_side from) {
    struct stage_message message;
    struct error error;
    if (stage_message_read(frame, from, &message, &error)) {
        say_again(&message, from);
        stage_message_free(&message);
    } else if (error.status != STATUS_PROTOCOL || error.text[0] == '\0') {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    struct frames frames;
    struct frame frame;
    int ends[2];
    if (size > 100000 || socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
        return 0;
    /* A first byte of 1 sends a descriptor, with a head of its own. */
    if (size > 0 && data[0] == 1 && !frame_send_descriptor(ends[1], STAGE_KNOCK, 0, STDIN_FILENO))
        abort();
    if (send(ends[1], data, size, MSG_NOSIGNAL) != (ssize_t)size)
        abort();
    close(ends[1]);
    frames_open(&frames, ends[0], STAGE_FRAME_LIMIT);
    enum frames_state state = FRAMES_GOOD;
    while (state == FRAMES_GOOD) {
        state = frames_fill(&frames);
        while (frames_next(&frames, &frame)) {
            read_as(&frame, STAGE_SIDE_ENGINE);
            read_as(&frame, STAGE_SIDE_STAGE);
            frame_free(&frame);
        }
    }
    frames_close(&frames);
    return 0;
}
