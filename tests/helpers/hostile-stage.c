/* hostile-stage MODE: a stage of agent-spool that gives each document back as it was, but breaks
 * the protocol on one with the member `hostile`. */
#include "document/stage_messages.h"
#include "json/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct frames frames;

static void send_message(enum stage_kind kind, uint32_t number, const char *bytes, unsigned flags) {
    struct frame frame = {.kind = (uint16_t)kind,
                          .flags = (uint16_t)flags,
                          .number = number,
                          .size = (uint32_t)strlen(bytes),
                          .bytes = (char *)bytes,
                          .descriptor = -1};
    if (!frames_send(&frames, &frame))
        exit(STATUS_IO);
}

static void wait_for_answer(void) {
    struct frame frame;
    if (frames_wait(&frames, &frame) != FRAMES_GOOD)
        exit(STATUS_IO);
    frame_free(&frame);
}

static void send_bytes(const void *bytes, size_t size) {
    if (write(frames.socket, bytes, size) < 0)
        exit(STATUS_IO);
}

_Noreturn static void wait_forever(void) {
    for (;;)
        pause();
}

static void be_hostile(const char *mode, uint32_t n) {
    static const char entry[] = "{\"format\":1,\"step\":\"execute\",\"key\":\"k\"}\n";
    const uint32_t endless[3] = {UINT32_MAX, STAGE_ENTRY, n}, torn[3] = {100, STAGE_ENTRY, n};
    if (strcmp(mode, "flood") == 0) {
        for (;;) {
            send_message(STAGE_ENTRY, n, entry, 0);
            wait_for_answer();
        }
    } else if (strcmp(mode, "pour") == 0) {
        for (;;)
            send_message(STAGE_ENTRY, n, entry, 0);
    } else if (strcmp(mode, "large") == 0) {
        send_bytes(endless, sizeof endless);
    } else if (strcmp(mode, "torn") == 0) {
        send_bytes(torn, sizeof torn);
        exit(STATUS_DONE);
    } else if (strcmp(mode, "unknown") == 0) {
        send_message((enum stage_kind)99, n, "{}\n", 0);
    } else if (strcmp(mode, "backwards") == 0) {
        send_message(STAGE_WRITTEN, n, "{}\n", 0);
    } else if (strcmp(mode, "other") == 0) {
        for (uint32_t i = 1; i < 10; i++) /* of documents that others have */
            if (i != n)
                send_message(STAGE_RESULT, i, "", STAGE_UNCHANGED);
    } else if (strcmp(mode, "hello") == 0) {
        send_message(STAGE_HELLO, 0, "{\"many\":true}\n", 0);
    } else if (strcmp(mode, "words") == 0) {
        send_message(STAGE_ENTRY, n, "{\"step\":", 0);
    } else if (strcmp(mode, "name") == 0) {
        send_message(STAGE_SPEND, n, "{\"name\":\"../../x\",\"key\":\"k\",\"claim\":\"c\"}\n", 0);
    } else if (strcmp(mode, "close") == 0) {
        close(frames.socket);
    } else if (strcmp(mode, "die") == 0) {
        abort();
    } else if (strcmp(mode, "exit") == 0) {
        exit(STATUS_DONE);
    } /* or it does nothing: "wait" */
    wait_forever();
}

int main(int argc, char **argv) {
    const char *setting = getenv(STAGE_VARIABLE);
    struct stage_message message;
    struct frame frame;
    struct error error;
    if (argc < 2 || setting == NULL)
        return STATUS_USAGE;
    frames_open(&frames, atoi(setting), STAGE_FRAME_LIMIT);
    send_message(STAGE_HELLO, 0, "{\"many\":false}\n", 0);
    while (frames_wait(&frames, &frame) == FRAMES_GOOD) {
        if (!stage_message_read(&frame, STAGE_SIDE_ENGINE, &message, &error))
            return STATUS_PROTOCOL;
        uint32_t number = frame.number;
        bool hostile = json_has(message.document, "hostile");
        frame_free(&frame);
        stage_message_free(&message);
        if (hostile)
            be_hostile(argv[1], number);
        send_message(STAGE_RESULT, number, "", STAGE_UNCHANGED);
    }
    frames_close(&frames);
    return STATUS_DONE;
}
