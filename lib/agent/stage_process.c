#include "agent/stage_process.h"

#include "base/clock.h"
#include "system/durable_file.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    END_SECONDS = 5,           /* for a stage to end after it was asked to */
    REST_SECONDS = 2,          /* for the output of processes it left behind */
    MOST_WORDS = 1 << 16,      /* bytes of stderr that are passed on at a time */
    WATCH_IN = STAGE_SPEAKERS, /* in the array for poll */
    WATCH_OUT,
    WATCH_ERR,
    WATCH_END
};

static void close_end(int *end) {
    if (*end >= 0)
        close(*end);
    *end = -1;
}

static void close_peer(struct stage_peer *peer) {
    if (peer->open)
        frames_close(&peer->frames);
    peer->open = false;
}

static void open_peer(struct stage_peer *peer, int socket) {
    frames_open(&peer->frames, socket, STAGE_FRAME_LIMIT);
    peer->open = true;
    peer->closing = false;
}

/* The ends of the stage, by PROGRAM_…, and ours. */
static bool make_ends(int given[PROGRAM_DESCRIPTORS], int ours[PROGRAM_DESCRIPTORS]) {
    bool good = true;
    for (int i = 0; i < PROGRAM_DESCRIPTORS; i++)
        given[i] = ours[i] = -1;
    for (int i = 0; good && i < PROGRAM_DESCRIPTORS; i++) {
        int pair[2];
        int made = i == PROGRAM_SOCKET ? socketpair(AF_UNIX, SOCK_STREAM, 0, pair) : pipe(pair);
        good = process_close_on_exec(made, pair);
        if (made != 0)
            continue;
        given[i] = pair[i == PROGRAM_IN ? 0 : 1];
        ours[i] = pair[i == PROGRAM_IN ? 1 : 0];
        if (i != PROGRAM_SOCKET) /* our end of a pipe is in no other process */
            fcntl(ours[i], F_SETFL, O_NONBLOCK);
    }
    return good;
}

struct stage_process *stage_process_start(const struct program_helper *helper, size_t stage,
                                          uint32_t number, char *input, struct error *error) {
    int given[PROGRAM_DESCRIPTORS], ours[PROGRAM_DESCRIPTORS], connection = -1;
    const char *name = helper->programs[stage].argv[0];
    if (make_ends(given, ours))
        connection = program_helper_open(helper, stage, given, error);
    else
        fail(error, STATUS_UNAVAILABLE, "%s: %s", name, strerror(errno));
    for (int i = 0; i < PROGRAM_DESCRIPTORS; i++)
        close_end(&given[i]);
    if (connection < 0) {
        for (int i = 0; i < PROGRAM_DESCRIPTORS; i++)
            close_end(&ours[i]);
        free(input);
        return NULL;
    }
    struct stage_process *process = must_alloc(sizeof *process);
    *process = (struct stage_process){.stage = stage,
                                      .name = name,
                                      .number = number,
                                      .started_at = clock_elapsed(),
                                      .in = ours[PROGRAM_IN],
                                      .out = ours[PROGRAM_OUT],
                                      .err = ours[PROGRAM_ERR],
                                      .connection = connection,
                                      .input = input,
                                      .input_size = strlen(input)};
    open_peer(&process->peers[STAGE_ITSELF], ours[PROGRAM_SOCKET]);
    return process;
}

static void forget_input(struct stage_process *process) {
    close_end(&process->in);
    free(process->input);
    process->input = NULL;
}

/* Nobody is listened to any more. */
static void close_all_peers(struct stage_process *process) {
    for (int i = 0; i < STAGE_SPEAKERS; i++)
        close_peer(&process->peers[i]);
    while (process->knock_count > 0)
        close(process->knocks[--process->knock_count]);
}

void stage_process_free(struct stage_process *process) {
    close_all_peers(process);
    forget_input(process);
    close_end(&process->out);
    close_end(&process->err);
    close_end(&process->connection);
    free(process->output.text);
    free(process);
}

static bool is_heard(const struct stage_peer *peer) {
    return peer->open && !peer->closing;
}

void stage_process_watch(const struct stage_process *process, struct pollfd *watched) {
    for (int i = 0; i < STAGE_SPEAKERS; i++) {
        const struct stage_peer *peer = &process->peers[i];
        short wanted = is_heard(peer) ? POLLIN : 0;
        if (peer->open && frames_unsent(&peer->frames) > 0)
            wanted |= POLLOUT;
        watched[i] = (struct pollfd){wanted != 0 ? peer->frames.socket : -1, wanted, 0};
    }
    watched[WATCH_IN] = (struct pollfd){process->in, POLLOUT, 0};
    watched[WATCH_OUT] = (struct pollfd){process->out, POLLIN, 0};
    watched[WATCH_ERR] = (struct pollfd){process->err, POLLIN, 0};
    watched[WATCH_END] = (struct pollfd){process->ended ? -1 : process->connection, POLLIN, 0};
}

/* Keeps the last whole line, or what there is of it. */
static void keep_words(struct stage_process *process, const char *bytes, size_t size) {
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] == '\n') {
            memcpy(process->words, process->line, process->line_size);
            process->words[process->line_size] = '\0';
            process->line_size = 0;
        } else if (process->line_size < STAGE_WORDS - 1) {
            process->line[process->line_size++] = bytes[i] == '\0' ? ' ' : bytes[i];
        }
    }
}

/* Passes on what is in the pipe of its stderr. */
static void pass_words(struct stage_process *process) {
    char bytes[4096];
    ssize_t got = 0;
    size_t all = 0;
    while (process->err >= 0 && all < MOST_WORDS &&
           (got = read(process->err, bytes, sizeof bytes)) > 0) {
        durable_write_all(STDERR_FILENO, bytes, (size_t)got); /* or nobody reads it */
        keep_words(process, bytes, (size_t)got);
        all += (size_t)got;
    }
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
        close_end(&process->err);
}

const char *stage_process_words(struct stage_process *process) {
    pass_words(process); /* it wrote them before what was heard of it */
    if (process->line_size > 0)
        keep_words(process, "\n", 1);
    memcpy(process->told, process->words, sizeof process->told);
    process->words[0] = '\0';
    return process->told;
}

static void write_input(struct stage_process *process) {
    ssize_t put = write(process->in, process->input + process->input_sent,
                        process->input_size - process->input_sent);
    process->input_sent += put > 0 ? (size_t)put : 0;
    if (process->input_sent == process->input_size ||
        (put < 0 && errno != EAGAIN && errno != EINTR)) /* it does not read it */
        forget_input(process);
}

/* What one of our commands writes to stdout means nothing. */
static void read_output(struct stage_process *process) {
    char bytes[1 << 16];
    ssize_t got = read(process->out, bytes, sizeof bytes);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
        close_end(&process->out);
    if (got <= 0 || process->hello)
        return;
    process->too_large = process->output.size + (size_t)got > JSON_SIZE_LIMIT;
    if (process->too_large)
        stage_process_cut_off(process,
                              "killed: it wrote more than the %d MiB that a document can have",
                              JSON_SIZE_LIMIT >> 20);
    else
        text_add(&process->output, bytes, (size_t)got);
}

static void end_soon(struct stage_process *process) {
    process->retired = true;
    if (!process->ended && process->kill_at == 0)
        process->kill_at = clock_elapsed() + END_SECONDS;
}

/* Whoever cannot be told anything any more cannot go on. */
static void flush(struct stage_process *process, struct stage_peer *peer) {
    if (frames_flush(&peer->frames) != FRAMES_GOOD && peer == &process->peers[STAGE_ITSELF])
        end_soon(process);
}

static void exchange_with(struct stage_process *process, struct stage_peer *peer, short ready) {
    if (peer->open && (ready & POLLOUT) != 0)
        flush(process, peer);
    if (!is_heard(peer) || (ready & ~POLLOUT) == 0)
        return;
    enum frames_state state = frames_fill(&peer->frames);
    peer->closing = state != FRAMES_GOOD;
    if (state == FRAMES_BROKEN && !process->ended && peer == &process->peers[STAGE_ITSELF])
        stage_process_cut_off(process, "killed: it sent agent-spool what is not a message");
}

static void hear_end(struct stage_process *process) {
    struct process_end end;
    struct error problem = {STATUS_DONE, ""};
    process->not_started = !program_helper_ended(process->connection, &end, &problem);
    if (process->not_started)
        process->problem = problem;
    process->exit_status = end.exit_status;
    process->unseen = end.broken;
    process->ended = process->retired = true;
    process->ended_at = clock_elapsed();
    process->kill_at = 0;
    forget_input(process);
}

/* Whether its output is waited for, which processes it left behind may hold open. */
static bool still_writes(const struct stage_process *process) {
    return process->out >= 0 && !process->hello && !process->too_large;
}

static bool gives_up_rest(const struct stage_process *process) {
    if (clock_elapsed() < process->ended_at + REST_SECONDS)
        return false;
    report(process->name, "has ended, but what it left running has its output still; that is not "
                          "waited for");
    return true;
}

void stage_process_exchange(struct stage_process *process, const struct pollfd *watched) {
    bool had_ended = process->ended, quiet = true;
    if (watched[WATCH_ERR].revents != 0)
        pass_words(process);
    if (watched[WATCH_IN].revents != 0 && process->in >= 0)
        write_input(process);
    if (watched[WATCH_OUT].revents != 0 && process->out >= 0)
        read_output(process);
    for (int i = 0; i < STAGE_SPEAKERS; i++) {
        quiet = quiet && (watched[i].revents & ~POLLOUT) == 0;
        if (watched[i].revents != 0)
            exchange_with(process, &process->peers[i], watched[i].revents);
    }
    if (watched[WATCH_END].revents != 0 && !process->ended)
        hear_end(process);
    if (process->kill_at > 0 && clock_elapsed() >= process->kill_at) {
        program_helper_stop(process->connection, true);
        process->kill_at = INFINITY;
    }
    process->over = had_ended && quiet && (!still_writes(process) || gives_up_rest(process));
}

double stage_process_due(const struct stage_process *process) {
    if (!process->ended)
        return process->kill_at > 0 ? process->kill_at : INFINITY;
    return still_writes(process) ? process->ended_at + REST_SECONDS : 0;
}

bool stage_process_hear(struct stage_process *process, struct stage_message *message,
                        enum stage_speaker *speaker) {
    for (int i = 0; i < STAGE_SPEAKERS; i++) {
        struct stage_peer *peer = &process->peers[i];
        struct frame frame;
        struct error why;
        *speaker = (enum stage_speaker)i;
        if (!peer->open)
            continue;
        if (frames_next(&peer->frames, &frame)) {
            process->heard = frame.size;
            bool good = stage_message_read(&frame, STAGE_SIDE_STAGE, message, &why);
            frame_free(&frame);
            if (good)
                return true;
            stage_process_cut_off(process, "%.400s", why.text);
        } else if (peer->closing) {
            close_peer(peer);
            if (i == STAGE_ITSELF && process->hello)
                end_soon(process);
        }
    }
    return false;
}

void stage_process_tell(struct stage_process *process, enum stage_speaker speaker,
                        const struct stage_message *message) {
    struct stage_peer *peer = &process->peers[speaker];
    struct frame frame;
    struct error why;
    if (!peer->open)
        return;
    if (!stage_message_frame(message, &frame, &why)) {
        stage_process_cut_off(process, "%.400s", why.text);
        return;
    }
    frame.descriptor = message->descriptor; /* stays the message's */
    bool put = frames_put(&peer->frames, &frame);
    frame.descriptor = -1;
    frame_free(&frame);
    if (!put) {
        stage_process_cut_off(process,
                              "killed, as agent-spool cannot give it the document's lock: %s",
                              strerror(errno));
        return;
    }
    flush(process, peer);
}

void stage_process_greet(struct stage_process *process, bool many) {
    process->hello = true;
    process->many = many;
    forget_input(process);
}

void stage_process_admit(struct stage_process *process, int descriptor) {
    if (process->knock_count < STAGE_KNOCKS && !process->hello && !process->retired)
        process->knocks[process->knock_count++] = descriptor;
    else
        close(descriptor);
}

bool stage_process_next_within(struct stage_process *process) {
    struct stage_peer *within = &process->peers[STAGE_WITHIN];
    if (within->open || process->knock_count == 0)
        return false;
    open_peer(within, process->knocks[0]);
    process->knock_count--;
    memmove(process->knocks, process->knocks + 1, process->knock_count * sizeof *process->knocks);
    process->turn++;
    return true;
}

void stage_process_retire(struct stage_process *process) {
    end_soon(process);
    close_all_peers(process);
    forget_input(process);
}

void stage_process_stop(struct stage_process *process) {
    if (!process->ended)
        program_helper_stop(process->connection, false);
    end_soon(process);
}

void stage_process_cut_off(struct stage_process *process, const char *format, ...) {
    va_list arguments;
    process->retired = true;
    close_all_peers(process);
    if (process->ended || process->problem.status != STATUS_DONE)
        return;
    process->kill_at = INFINITY;
    va_start(arguments, format);
    vsnprintf(process->problem.text, sizeof process->problem.text, format, arguments);
    va_end(arguments);
    process->problem.status = 128 + SIGKILL;
    program_helper_stop(process->connection, true);
}
