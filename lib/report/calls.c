#include "report/calls.h"

#include "base/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

const char *const call_outcome_words[OUTCOMES] = {
    [OUTCOME_APPROVED] = "approved", [OUTCOME_DENIED] = "denied",
    [OUTCOME_EXPIRED] = "expired",   [OUTCOME_FAILED] = "failed",
    [OUTCOME_PENDING] = "pending",   [OUTCOME_NOT_ASKED] = "not_asked",
    [OUTCOME_REUSED] = "reused",     [OUTCOME_LEASED] = "leased",
    [OUTCOME_NONE] = "none"};

const char *const call_done_words[DONES] = {[DONE_EXECUTED] = "executed",
                                            [DONE_STARTED] = "started",
                                            [DONE_UNANSWERED] = "unanswered",
                                            [DONE_REFUSED] = "refused",
                                            [DONE_NOT] = "-"};

enum { PLACES = 2 * CALLS_LIMIT, TEXT_LIMIT = 4096 /* bytes that are kept of a text */ };

/* What an event says of the question, or of the call. */
static const struct event {
    const char *name;
    enum call_outcome outcome; /* OUTCOME_NONE: nothing */
    enum call_done done;       /* DONE_NOT: nothing */
    bool begins;               /* it is never about a call of which there are lines already */
} events[] = {
    {"asked", OUTCOME_PENDING, DONE_NOT, true},
    {"not_asked", OUTCOME_NOT_ASKED, DONE_NOT, true},
    {"reused", OUTCOME_REUSED, DONE_NOT, true},
    {"leased", OUTCOME_LEASED, DONE_NOT, true},
    {"approved", OUTCOME_APPROVED, DONE_NOT, false},
    {"denied", OUTCOME_DENIED, DONE_NOT, false},
    {"expired", OUTCOME_EXPIRED, DONE_NOT, false},
    {"failed", OUTCOME_FAILED, DONE_NOT, false},
    {"answered", OUTCOME_NONE, DONE_NOT, false},
    {"executed", OUTCOME_NONE, DONE_EXECUTED, false},
    {"started", OUTCOME_NONE, DONE_STARTED, false},
    {"unanswered", OUTCOME_NONE, DONE_UNANSWERED, false},
    {"refused", OUTCOME_NONE, DONE_REFUSED, false},
};

static const struct event *event_of(const struct audit_line *line) {
    for (size_t i = 0; i < sizeof events / sizeof *events; i++)
        if (audit_line_is(line, AUDIT_EVENT, events[i].name))
            return &events[i];
    return NULL;
}

/* What the lines about one call have in common; the caller frees. NULL if nothing tells. The spans
 * are as they stand in JSON, which each command writes alike. */
static char *key_of(const struct audit_line *line) {
    enum audit_member first = audit_line_has(line, AUDIT_REQUEST_DIGEST) ? AUDIT_REQUEST_DIGEST
                              : audit_line_has(line, AUDIT_QUESTION)     ? AUDIT_QUESTION
                                                                         : AUDIT_CALL_DIGEST;
    struct json_span one = line->member[first], other = line->member[AUDIT_CALL];
    if (one.size == 0 || one.size + other.size > TEXT_LIMIT)
        return NULL;
    return must_format("%.*s %.*s", (int)one.size, one.text, (int)other.size,
                       other.text != NULL ? other.text : "");
}

static struct reported_call **place_of(const struct calls *calls, const char *key) {
    /* FNV-1a; who writes a log does not know where the table is */
    uint64_t hash = 14695981039346656037U ^ (uintptr_t)calls->places;
    for (const char *at = key; *at != '\0'; at++)
        hash = (hash ^ (unsigned char)*at) * 1099511628211U;
    return &calls->places[(hash ^ hash >> 32) % PLACES];
}

static struct reported_call *find(const struct calls *calls, const char *key) {
    struct reported_call *call = key != NULL ? *place_of(calls, key) : NULL;
    while (call != NULL && strcmp(call->key, key) != 0)
        call = call->same_place;
    return call;
}

static void free_call(struct reported_call *call) {
    for (int i = 0; i < CALL_TEXTS; i++)
        free(call->text[i]);
    free(call->key);
    free(call);
}

/* Takes a call out of the table: no further line is about it. */
static void hide(struct calls *calls, struct reported_call *call) {
    if (call->key == NULL)
        return;
    struct reported_call **link = place_of(calls, call->key);
    while (*link != call)
        link = &(*link)->same_place;
    *link = call->same_place;
    free(call->key);
    call->key = NULL;
}

/* Lets go of the oldest call, and gives it out if that is wanted still. */
static bool give_out(struct calls *calls, bool wanted) {
    struct reported_call *call = calls->first;
    calls->first = call->next;
    calls->count--;
    calls->bytes -= call->bytes;
    hide(calls, call);
    bool good = !wanted || !call->in_range || calls->visit(calls->context, call);
    free_call(call);
    return good;
}

/* Takes the key. */
static struct reported_call *add(struct calls *calls, char *key) {
    struct reported_call *call = must_alloc(sizeof *call);
    *call = (struct reported_call){.outcome = OUTCOME_NONE,
                                   .done = DONE_NOT,
                                   .first = -1,
                                   .asked = -1,
                                   .decided = -1,
                                   .completed = -1,
                                   .seconds = -1,
                                   .whole = true,
                                   .key = key};
    if (key != NULL) {
        struct reported_call **place = place_of(calls, key);
        call->same_place = *place;
        *place = call;
        call->bytes = strlen(key);
        calls->bytes += call->bytes;
    }
    *(calls->count++ > 0 ? &calls->last->next : &calls->first) = call;
    calls->last = call;
    return call;
}

/* A further line with the key is about this call, and not about the one that was found. Calls of
 * one key must not make a queue in the table, which each line would have to go along. */
static struct reported_call *begin(struct calls *calls, struct reported_call *found, char *key) {
    if (found != NULL)
        hide(calls, found);
    return add(calls, key);
}

static void set_text(struct calls *calls, struct reported_call *call, enum call_text which,
                     const struct audit_line *line, enum audit_member member) {
    struct json_span span = line->member[member];
    if (!audit_line_has(line, member) || call->text[which] != NULL)
        return;
    char *text = audit_line_text(line, member);
    if (text == NULL && *span.text == '"')
        return;
    if (text == NULL)
        text = must_format("%.*s", span.size < TEXT_LIMIT ? (int)span.size : TEXT_LIMIT, span.text);
    size_t size = strlen(text);
    if (size > TEXT_LIMIT) {
        for (size = TEXT_LIMIT; ((unsigned char)text[size] & 0xC0) == 0x80; size--)
            continue;
        text[size] = '\0';
    }
    call->text[which] = text;
    call->bytes += size;
    calls->bytes += size;
}

/* The name under which the person is counted: who approved, else who was asked. */
static void set_user(struct calls *calls, struct reported_call *call,
                     const struct audit_line *line) {
    static const enum audit_member names[] = {AUDIT_APPROVED_BY, AUDIT_USER, AUDIT_LOGIN_HINT};
    if (audit_line_has(line, AUDIT_APPROVED_BY) && call->text[CALL_USER] != NULL) {
        size_t size = strlen(call->text[CALL_USER]);
        free(call->text[CALL_USER]);
        call->text[CALL_USER] = NULL;
        call->bytes -= size;
        calls->bytes -= size;
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        set_text(calls, call, CALL_USER, line, names[i]);
}

static void set_texts(struct calls *calls, struct reported_call *call,
                      const struct audit_line *line) {
    static const struct {
        enum call_text text;
        enum audit_member member;
    } from[] = {{CALL_AGENT, AUDIT_AGENT},
                {CALL_AGENT, AUDIT_CLIENT_ID}, /* an agent without a name */
                {CALL_AGENT, AUDIT_CLIENT},
                {CALL_TOOL, AUDIT_TOOL},
                {CALL_MESSAGE, AUDIT_MESSAGE}, /* the whole, where it was made to fit */
                {CALL_MESSAGE, AUDIT_BINDING_MESSAGE},
                {CALL_ORDER, AUDIT_ORDER},
                {CALL_ERROR, AUDIT_ERROR},
                {CALL_CLIENT_ID, AUDIT_CLIENT_ID},
                {CALL_CLIENT_ID, AUDIT_CLIENT},
                {CALL_OS_USER, AUDIT_OS_USER},
                {CALL_HOST, AUDIT_HOST},
                {CALL_SPOOL, AUDIT_SPOOL},
                {CALL_DOCUMENT, AUDIT_DOCUMENT},
                {CALL_ID, AUDIT_CALL},
                {CALL_DIGEST, AUDIT_CALL_DIGEST},
                {CALL_REQUEST_DIGEST, AUDIT_REQUEST_DIGEST}};
    for (size_t i = 0; i < sizeof from / sizeof *from; i++)
        set_text(calls, call, from[i].text, line, from[i].member);
    set_user(calls, call, line);
}

/* What ciba-channel was answered. */
static enum call_outcome answer_of(const struct audit_line *line) {
    return audit_line_is(line, AUDIT_ANSWER, "yes") ? OUTCOME_APPROVED : OUTCOME_DENIED;
}

/* How long the answer took. */
static double seconds_of(const struct reported_call *call, const struct audit_line *line,
                         double time) {
    enum { MOST = 1000000000 };
    double seconds = -1;
    if (!audit_line_number(line, AUDIT_SECONDS, &seconds) && call->asked >= 0)
        seconds = time - call->asked;
    return seconds >= 0 && seconds <= MOST ? seconds : -1;
}

/* Whether the line cannot be true if those before it are: a user decides once, and after a no
 * nothing is done. Somebody else's log, whole in itself, can say anything of our calls. */
static bool contradicts(const struct reported_call *call, enum call_outcome outcome,
                        enum call_done done) {
    bool decided = call->outcome <= OUTCOME_EXPIRED, decides = outcome <= OUTCOME_EXPIRED;
    enum call_outcome last = decides ? outcome : call->outcome;
    bool is_no = last == OUTCOME_DENIED || last == OUTCOME_EXPIRED;
    if (done == DONE_NOT)
        done = call->done;
    return (decided && decides && call->outcome != outcome) ||
           (is_no && (done == DONE_EXECUTED || done == DONE_STARTED || done == DONE_UNANSWERED));
}

static void apply(struct reported_call *call, const struct event *event,
                  const struct audit_line *line, double time) {
    bool answered = audit_line_is(line, AUDIT_EVENT, "answered");
    enum call_outcome outcome = answered ? answer_of(line) : event->outcome;
    call->whole = call->whole && !contradicts(call, outcome, event->done);
    if (call->first < 0)
        call->first = time;
    call->last = time;
    if (outcome != OUTCOME_NONE)
        call->outcome = outcome;
    if (outcome == OUTCOME_PENDING)
        call->asked = time;
    else if (outcome != OUTCOME_NONE)
        call->decided = time;
    if (event->done != DONE_NOT) {
        call->done = event->done;
        call->completed = time;
    }
    if (outcome <= OUTCOME_EXPIRED)
        call->seconds = seconds_of(call, line, time);
    if (audit_line_number(line, AUDIT_STATUS, &call->status))
        call->has_status = true;
}

/* Whether the line is about the call that was found: one that nobody was asked about is executed
 * once. */
static bool goes_on(const struct reported_call *call, const struct event *event,
                    const struct audit_line *line) {
    if (call == NULL || event->begins)
        return false;
    return audit_line_has(line, AUDIT_REQUEST_DIGEST) || call->done == DONE_NOT ||
           call->done == DONE_UNANSWERED;
}

static void take_line(struct calls *calls, const struct log_file *file) {
    const struct audit_line *line = &file->line;
    const struct event *event = event_of(line);
    if (event == NULL)
        return;
    char *key = key_of(line);
    struct reported_call *call = find(calls, key);
    if (goes_on(call, event, line))
        free(key);
    else
        call = begin(calls, call, key);
    set_texts(calls, call, line);
    apply(call, event, line, file->time);
    call->whole = call->whole && !file->faulty;
    call->in_range = call->in_range || (file->time >= calls->since && file->time < calls->until);
}

bool calls_read(struct calls *calls, struct logs *logs, struct error *error) {
    const struct log_file *file;
    bool wanted = true;
    calls->places = must_alloc(PLACES * sizeof *calls->places);
    memset(calls->places, 0, PLACES * sizeof *calls->places);
    while (wanted && (file = logs_next(logs, error)) != NULL) {
        take_line(calls, file);
        while (wanted && (calls->count > CALLS_LIMIT || calls->bytes > CALLS_BYTES))
            wanted = give_out(calls, true);
    }
    while (calls->count > 0)
        wanted = give_out(calls, wanted) && wanted;
    free(calls->places);
    calls->places = NULL;
    return error->status == STATUS_DONE;
}
