#include "ciba/poll_documents.h"

#include "base/clock.h"
#include "ciba/asked.h"
#include "ciba/live_line.h"
#include "ciba/outcomes.h"
#include "system/signals.h"

#include <math.h>
#include <stdlib.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TELL_MS = 1000 /* after that it is said who is waited for, though stdin has not ended */ };

struct waiter {
    const struct poll_settings *settings;
    struct poller *poller;
    struct document_reader *reader;
    jv read; /* the document being added, else invalid */
    int status;
    unsigned long documents;
    double end, tell_at;    /* by clock_elapsed: of --max-wait; when tell_wait may be called */
    bool reading, writable; /* stdin, stdout */
    bool live;              /* a line is redrawn on the terminal */
    bool told, warned;      /* whom it waits for; of the terminal */
    struct outcomes outcomes;
};

bool poll_was_notified(const struct poll_settings *settings) {
    char bytes[4096];
    bool any = settings->watch < 0 && settings->poll.spool != NULL;
    while (settings->watch >= 0 && read(settings->watch, bytes, sizeof bytes) > 0)
        any = true;
    return any;
}

double poll_until(const struct poll_settings *settings, double end) {
    bool watched = settings->poll.spool == NULL || settings->watch >= 0;
    return watched ? end : fmin(end, clock_elapsed() + 1);
}

/* Warns, before there is a token, of where it would be shown. */
static void warn_of_terminal(struct waiter *waiter) {
    if (waiter->warned || poller_waiting(waiter->poller) == 0 || waiter->settings->quiet)
        return;
    waiter->warned = true;
    if (isatty(STDOUT_FILENO))
        report(NULL, "a terminal does not show the access token of a yes, and nothing keeps it; "
                     "> FILE does, and -q shows nothing");
}

/* Says, once, whom it waits for; a line that is redrawn says it better. */
static void tell_wait(struct waiter *waiter) {
    size_t others = 0;
    jv call =
        waiter->settings->verbose ? jv_invalid() : poller_waiting_call(waiter->poller, &others);
    if (jv_is_valid(call)) {
        char *line = asked_line(call);
        if (others > 0)
            report_whole(NULL, "%s (and %zu more)", line, others);
        else
            report_whole(NULL, "%s", line);
        free(line);
        waiter->told = true;
    }
    jv_free(call);
}

static void put_out(void *context, jv document, int status) {
    struct waiter *waiter = context;
    struct error error;
    waiter->status = status_worse(waiter->status, status);
    live_line_wipe();
    bool same = jv_identical(jv_copy(document), jv_copy(waiter->read));
    if (!same) /* else it was known before */
        outcomes_add(&waiter->outcomes, document);
    if (!waiter->settings->quiet && waiter->writable &&
        !(same ? document_write_as_read(waiter->reader, &error)
               : document_write(document, &error))) {
        report_error(&waiter->status, "stdout", &error);
        waiter->writable = false;
    }
    jv_free(document);
}

static void tell_decision(void *context, jv decision) {
    struct waiter *waiter = context;
    notifier_tell(waiter->settings->on_decision, decision);
    jv_free(decision);
}

/* Reads documents from stdin; with `pass` only to write them again. */
static void read_documents(struct waiter *waiter, bool pass) {
    struct error error;
    enum document_event event;
    jv document;
    if (!document_reader_fill(waiter->reader, &error))
        report_error(&waiter->status, "stdin", &error);
    while ((event = document_next(waiter->reader, &document, &error)) != DOCUMENT_MORE &&
           event != DOCUMENT_END) {
        waiter->documents++;
        if (event == DOCUMENT_READY) {
            waiter->read = jv_copy(document);
            if (pass)
                poller_pass(waiter->poller, document);
            else
                poller_add(waiter->poller, document, waiter->reader);
            jv_free(waiter->read);
            waiter->read = jv_invalid();
        } else {
            report_error(&waiter->status, "stdin", &error);
        }
    }
    waiter->reading = event != DOCUMENT_END;
}

static bool can_read(int descriptor) {
    struct timeval now = {0, 0};
    fd_set set;
    FD_ZERO(&set);
    FD_SET(descriptor, &set);
    return select(descriptor + 1, &set, NULL, NULL, &now) == 1;
}

/* Stopped before the work was done: writes the rest of stdin unchanged, and waits less than a
 * second for the answers of open requests. */
static void leave(struct waiter *waiter) {
    waiter->status = status_worse(waiter->status, waiter->reading ? STATUS_NOT_YET : STATUS_DONE);
    poller_give_up(waiter->poller, waiter->writable ? POLL_LAST_MS / 1000.0 : 0);
    struct stat facts;
    bool ends = fstat(STDIN_FILENO, &facts) == 0 && S_ISREG(facts.st_mode);
    double end = clock_elapsed() + POLL_LAST_MS / 1000.0; /* the writer of a pipe may never stop */
    while (waiter->writable && waiter->reading && can_read(STDIN_FILENO) && signals_caught() == 0 &&
           (ends || clock_elapsed() < end))
        read_documents(waiter, true);
    if (waiter->reading && waiter->writable)
        report("stdin", "it was not read to its end");
}

/* Reads what is there, and says what has to be said before the next wait. Returns until when to
 * wait. */
static double prepare_wait(struct waiter *waiter) {
    const struct poll_settings *settings = waiter->settings;
    double until = poll_until(settings, waiter->end);
    if (waiter->live)
        until = fmin(until, clock_elapsed() + 1);
    if (waiter->reading && can_read(STDIN_FILENO)) {
        read_documents(waiter, false);
        until = 0; /* only due work: stdin may never end */
    }
    warn_of_terminal(waiter);
    if (waiter->live || waiter->told || settings->quiet || settings->poll.once)
        return until;
    if (waiter->reading && clock_elapsed() < waiter->tell_at)
        return fmin(until, waiter->tell_at);
    tell_wait(waiter);
    return until;
}

/* Waits until no document is left, nothing can be written, a signal has come, or max_wait is over.
 */
static void wait_for_all(struct waiter *waiter) {
    const struct poll_settings *settings = waiter->settings;
    while (waiter->writable && (waiter->reading || poller_waiting(waiter->poller) > 0)) {
        int descriptors[3] = {settings->signals};
        unsigned count = 1;
        if (waiter->reading)
            descriptors[count++] = STDIN_FILENO;
        if (settings->watch >= 0)
            descriptors[count++] = settings->watch;
        if (signals_caught() != 0) {
            waiter->status = status_worse(waiter->status, STATUS_NOT_YET);
            break;
        }
        if (clock_elapsed() >= waiter->end)
            break;
        poller_step(waiter->poller, descriptors, count, prepare_wait(waiter));
        if (poll_was_notified(settings))
            poller_look_for_notifications(waiter->poller);
        if (waiter->live)
            live_line_show(waiter->poller);
    }
    live_line_wipe();
}

/* What came of it, and that nothing is no yes. */
static void conclude(struct waiter *waiter) {
    bool tells = !waiter->settings->quiet && !waiter->settings->poll.once;
    if (tells && (waiter->told || waiter->live || outcomes_have_no(&waiter->outcomes)))
        outcomes_tell(&waiter->outcomes);
    bool none = waiter->documents == 0;
    if (waiter->status == STATUS_DONE &&
        (none || (waiter->settings->quiet && poller_approved(waiter->poller) == 0)))
        report_failure(&waiter->status, STATUS_INPUT, NULL,
                       "nobody approved anything: there is no %s",
                       none ? "document on stdin" : "call that is approved");
}

int poll_documents(struct client *client, const struct poll_settings *settings) {
    double now = clock_elapsed();
    struct waiter waiter = {.settings = settings,
                            .reader = document_reader_new(STDIN_FILENO),
                            .read = jv_invalid(),
                            .end = settings->max_wait > 0 ? now + settings->max_wait : INFINITY,
                            .tell_at = now + TELL_MS / 1000.0,
                            .reading = true,
                            .writable = true,
                            .live = !settings->quiet && !settings->verbose && live_line_wanted()};
    struct poller_settings poll = settings->poll;
    poll.decided = settings->on_decision != NULL ? tell_decision : NULL;
    waiter.poller = poller_new(client, &poll, put_out, &waiter);
    http_end_calls_at(client->issuer.http, settings->signals, waiter.end);
    if (isatty(STDIN_FILENO))
        read_documents(&waiter, false); /* says that nothing was piped in */
    wait_for_all(&waiter);
    leave(&waiter);
    conclude(&waiter);
    poller_free(waiter.poller);
    document_reader_free(waiter.reader);
    outcomes_free(&waiter.outcomes);
    return waiter.status;
}
