#include "document/stage.h"

#include "system/process.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct {
    struct frames frames;
    bool open, many, leaving;
    bool ended;                     /* nothing more comes */
    bool broken;                    /* and nothing that came is believed */
    char *trouble;                  /* what broke it, NULL for none */
    struct stage_document *held;    /* all documents, the newest first */
    struct stage_document *come[2]; /* a queue of those not taken yet: first and last */
    struct stage_document *current;
    struct stage_document *inner; /* an inner command's */
} stage;

bool stage_is_many(void) {
    return stage.many;
}

struct stage_document *stage_current(void) {
    return stage.current;
}

void stage_work_on(struct stage_document *document) {
    stage.current = document;
}

void stage_leave(void) {
    stage.leaving = true;
}

bool stage_is_leaving(void) {
    return stage.leaving;
}

static bool is_gone(struct error *error) {
    return fail(
        error, STATUS_IO, "%s",
        stage.trouble != NULL
            ? stage.trouble
            : "agent-spool, which keeps the journal, has ended, or the connection to it is broken");
}

/* Believes nothing more. Returns false, with the reason. */
static bool cut_off(const char *why) {
    stage.ended = stage.broken = true;
    if (stage.trouble == NULL && why != NULL)
        stage.trouble = must_copy(why);
    return false;
}

static struct stage_document *add(struct stage_message *message) {
    struct stage_document *document = must_alloc(sizeof *document);
    *document = (struct stage_document){.number = message->number,
                                        .document = jv_copy(message->document),
                                        .entries = jv_copy(message->entries),
                                        .audit = message->audit,
                                        .name = message->name,
                                        .spool = message->spool,
                                        .status = STATUS_DONE,
                                        .lock = message->descriptor};
    message->descriptor = -1;
    message->name = message->spool = NULL;
    document->next = stage.held;
    stage.held = document;
    return document;
}

static void free_document(struct stage_document *document) {
    struct stage_document **link = &stage.held;
    while (*link != NULL && *link != document)
        link = &(*link)->next;
    if (*link != NULL)
        *link = document->next;
    if (stage.current == document)
        stage.current = NULL;
    for (size_t i = 0; i < document->waiting_count; i++)
        frame_free(&document->waiting[i]);
    free(document->waiting);
    free(document->name);
    free(document->spool);
    if (document->lock >= 0)
        close(document->lock);
    jv_free(document->document);
    jv_free(document->entries);
    free(document);
}

static struct stage_document *find(uint32_t number) {
    struct stage_document *document = stage.held;
    while (document != NULL && document->number != number)
        document = document->next;
    return document;
}

static bool send_frame(const struct frame *frame) {
    if (stage.broken || !frames_send(&stage.frames, frame))
        return cut_off(NULL);
    return true;
}

/* Sends what waits of a document, up to the next that has to be answered. After its result, frees
 * the document. Once the engine says nothing more, only the result is sent. */
static bool send_waiting(struct stage_document *document) {
    bool good = true;
    size_t sent = 0;
    while (sent < document->waiting_count && (!document->is_asking || stage.ended)) {
        struct frame *frame = &document->waiting[sent++];
        bool last = frame->kind == STAGE_RESULT;
        if (last)
            frame->flags = (uint16_t)((frame->flags & ~255U) |
                                      (unsigned)status_worse(frame->flags & 255, document->status));
        if (last || !stage.ended)
            good = send_frame(frame);
        else
            document->status = status_worse(document->status, STATUS_IO);
        if (last) {
            free_document(document);
            return good;
        }
        document->is_asking = good;
        frame_free(frame);
    }
    document->waiting_count -= sent;
    if (sent > 0)
        memmove(document->waiting, document->waiting + sent,
                document->waiting_count * sizeof *document->waiting);
    return good;
}

/* Takes the frame. */
static bool put_waiting(struct stage_document *document, struct frame frame) {
    document->waiting =
        must_grow(document->waiting, (document->waiting_count + 1) * sizeof *document->waiting);
    document->waiting[document->waiting_count++] = frame;
    return send_waiting(document);
}

/* An answer to something that nobody waits for. */
static void take_refusal(struct stage_document *document, const struct stage_message *message) {
    if (message->kind == STAGE_REFUSED)
        report_failure(&document->status, message->status, NULL, "it is not written down: %s",
                       message->error);
}

static bool take_answer(struct stage_message *message) {
    struct stage_document *document = find(message->number);
    if (document == NULL || !document->is_asking)
        return cut_off("agent-spool answered what was not asked; nothing more is done");
    document->is_asking = false;
    if (document->answer == NULL) {
        take_refusal(document, message);
        return send_waiting(document);
    }
    *document->answer = *message;
    document->answer = NULL;
    *message = stage_message_new(message->kind, 0);
    return true;
}

static bool take_document(struct stage_message *message) {
    if (find(message->number) != NULL || (stage.held != NULL && !stage.many))
        return cut_off("agent-spool sent a document that this command has already, or did not "
                       "expect; nothing more is done");
    struct stage_document *document = add(message);
    if (stage.come[0] == NULL) {
        stage.come[0] = stage.come[1] = document;
    } else {
        stage.come[1]->after = document;
        stage.come[1] = document;
    }
    return true;
}

/* Takes the frame. */
static bool take_frame(struct frame *frame, bool knocked) {
    struct stage_message message;
    struct error error;
    bool good = stage_message_read(frame, STAGE_SIDE_ENGINE, &message, &error);
    frame_free(frame);
    if (!good)
        return cut_off(error.text);
    if (message.kind == STAGE_DOCUMENT && stage.inner == NULL && !knocked)
        good = take_document(&message);
    else if (message.kind == STAGE_JOURNAL && stage.inner == NULL && knocked)
        stage.inner = add(&message);
    else if (message.kind == STAGE_WRITTEN || message.kind == STAGE_REFUSED)
        good = take_answer(&message);
    else
        good = cut_off("agent-spool sent what this command did not expect; nothing more is done");
    stage_message_free(&message);
    return good;
}

/* Waits for a frame, and takes it. False if there is none. */
static bool take_next(bool knocked) {
    struct frame frame;
    if (stage.ended)
        return false;
    enum frames_state state = frames_wait(&stage.frames, &frame);
    if (state == FRAMES_GOOD)
        return take_frame(&frame, knocked);
    if (state == FRAMES_BROKEN)
        return cut_off(NULL);
    stage.ended = true;
    return false;
}

bool stage_open(bool many, struct error *error) {
    struct stage_message hello = stage_message_new(STAGE_HELLO, 0);
    struct frame frame;
    hello.many = stage.many = many;
    if (stage_socket() < 0)
        return fail(error, STATUS_IO,
                    "the socket that CIBA_STAGE names is not open here; only agent-spool sets it: "
                    "unset it");
    frames_open(&stage.frames, stage_socket(), STAGE_FRAME_LIMIT);
    bool good = stage_message_frame(&hello, &frame, error) && send_frame(&frame);
    frame_free(&frame);
    return good || is_gone(error);
}

struct stage_document *stage_come(void) {
    struct stage_document *document = stage.come[0];
    if (document != NULL)
        stage.come[0] = document->after;
    return document;
}

/* The error at the end of all documents; returns false. */
static bool ends(struct error *error) {
    *error = (struct error){STATUS_DONE, ""};
    return stage.broken ? is_gone(error) : false;
}

struct stage_document *stage_next(struct error *error) {
    while (stage.come[0] == NULL && take_next(false))
        continue;
    if (stage.come[0] != NULL && !stage.broken)
        return stage_come();
    ends(error);
    return NULL;
}

/* At the end of the stream: what waits for answers waits no longer. */
static void send_all_waiting(void) {
    for (struct stage_document *document = stage.held, *next; document != NULL; document = next) {
        next = document->next;
        if (!send_waiting(document))
            report(NULL, "what became of a document could not be given back to agent-spool; the "
                         "next run tries it again");
    }
}

bool stage_receive(struct error *error) {
    struct frame frame;
    *error = (struct error){STATUS_DONE, ""};
    enum frames_state state = stage.ended ? FRAMES_ENDED : frames_fill(&stage.frames);
    while (!stage.ended && frames_next(&stage.frames, &frame))
        take_frame(&frame, false);
    if (state == FRAMES_GOOD && !stage.ended)
        return true;
    if (state == FRAMES_BROKEN)
        cut_off(NULL);
    stage.ended = true;
    send_all_waiting();
    return ends(error);
}

bool stage_engine_lives(void) {
    struct frame frame;
    enum frames_state state = stage.ended ? FRAMES_ENDED : frames_fill(&stage.frames);
    while (!stage.ended && frames_next(&stage.frames, &frame))
        take_frame(&frame, false);
    if (state == FRAMES_BROKEN)
        cut_off(NULL);
    stage.ended = stage.ended || state != FRAMES_GOOD;
    return !stage.ended;
}

/* Knocks with one end of a new pair, and makes the other the stage's connection. */
static bool knock(struct error *error) {
    int ends[2];
    if (stage_socket() < 0)
        return fail(error, STATUS_IO,
                    "the socket that CIBA_STAGE names is not open here; only agent-spool sets it: "
                    "unset it");
    if (!process_close_on_exec(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), ends))
        return fail(error, STATUS_IO,
                    "there can be no connection to agent-spool, which keeps the journal: %s",
                    strerror(errno));
    bool good = frame_send_descriptor(stage_socket(), STAGE_KNOCK, 0, ends[1]);
    close(ends[1]);
    frames_open(&stage.frames, ends[0], STAGE_FRAME_LIMIT);
    return good || cut_off(NULL) || is_gone(error);
}

struct stage_document *stage_knock(struct error *error) {
    if (!stage.open && !knock(error))
        return NULL;
    stage.open = true;
    while (stage.inner == NULL && take_next(true))
        continue;
    if (stage.inner == NULL)
        is_gone(error);
    return stage.inner;
}

bool stage_settle(struct stage_document *document, struct error *error) {
    while ((document->is_asking || document->waiting_count > 0) && take_next(false))
        continue;
    return stage_engine_lives() || is_gone(error);
}

bool stage_ask(struct stage_document *document, const struct stage_message *message,
               struct stage_message *answer, struct error *error) {
    struct stage_message came;
    struct frame frame;
    while ((document->is_asking || document->waiting_count > 0) && take_next(false))
        continue;
    if (stage.ended)
        return is_gone(error);
    if (!stage_message_frame(message, &frame, error))
        return false;
    /* cppcheck-suppress autoVariables; it is NULL again before this returns */
    document->answer = &came;
    document->is_asking = send_frame(&frame);
    frame_free(&frame);
    while (document->answer != NULL && document->is_asking && take_next(false))
        continue;
    if (document->answer != NULL) {
        document->answer = NULL;
        return is_gone(error);
    }
    bool good = came.kind == STAGE_WRITTEN || fail(error, came.status, "%s", came.error);
    if (good && answer != NULL)
        *answer = came;
    else
        stage_message_free(&came);
    return good;
}

void stage_tell(struct stage_document *document, const struct stage_message *message) {
    struct frame frame;
    struct error error;
    bool good = (!stage.ended || is_gone(&error)) && stage_message_frame(message, &frame, &error);
    if (!good)
        report_error(&document->status, NULL, &error);
    else if (!put_waiting(document, frame) && is_gone(&error) == false)
        report_error(&document->status, NULL, &error);
}

bool stage_give_back(struct stage_document *document, jv outcome, bool changed, int status,
                     struct error *error) {
    struct stage_message result = stage_message_new(STAGE_RESULT, document->number);
    struct frame frame;
    result.status = status;
    result.last = stage.leaving;
    result.unchanged = !changed && jv_is_valid(outcome);
    result.document = outcome;
    bool good = stage_message_frame(&result, &frame, error);
    jv_free(outcome);
    if (!good) { /* too large */
        result.document = jv_invalid();
        result.status = error->status;
        stage_message_frame(&result, &frame, error);
    }
    if (stage.broken) {
        frame_free(&frame);
        free_document(document);
        return is_gone(error);
    }
    return put_waiting(document, frame) || is_gone(error);
}
