/* ciba-poll: waits until the user has decided. */
#include "clock.h"
#include "confine.h"
#include "documents.h"
#include "live_line.h"
#include "options.h"
#include "poller.h"
#include "process.h"
#include "spool.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
    bool quiet, verbose, without_id_token;
    double timeout;
    struct poller_settings poll;
    struct client_settings client;
    struct record_settings record;
    struct confinement needs;
} given = {.poll = {.parallel = 64}};

static const struct option_spec options[] = {
    {0, "once", NULL, OPTION_FLAG, &given.poll.once, "poll each call once, then write all"},
    {'q', "quiet", NULL, OPTION_FLAG, &given.quiet,
     "write nothing; 0 only if something is approved, and proven"},
    {0, "timeout", "SECONDS", OPTION_SECONDS, &given.timeout, "write what is pending after this"},
    {0, "parallel", "N", OPTION_COUNT, &given.poll.parallel, "requests under way at a time (64)"},
    {0, "spool", "DIR", OPTION_TEXT, &given.poll.spool,
     "wait for notifications in DIR, where calls expect them"},
    {0, "push", NULL, OPTION_FLAG, &given.poll.push, "they bring the tokens; do not poll"},
    {0, "without-id-token", NULL, OPTION_FLAG, &given.without_id_token,
     "the provider gives no ID token; do not ask who approved"},
    STORE_OPTIONS(given.record),
    RECORD_OPTIONS(given.record),
    CLIENT_OPTIONS(given.client),
    CONFINE_OPTION(given.needs),
    {'v', "verbose", NULL, OPTION_FLAG, &given.verbose, "say on stderr what is done"},
    {0, NULL, NULL, OPTION_FLAG, NULL, NULL},
};

static const struct command command = {"ciba-poll", "[-qv] [--once] [--timeout SECONDS] [-e FILE]",
                                       "Waits for the user's decision on every pending call.",
                                       options, false};

struct job {
    struct client client;
    struct record record;
    struct poller *poller;
    struct document_reader *reader;
    jv read; /* the document that is being taken in, else invalid */
    int status;
    unsigned long documents;
    int spool; /* can be read when a notification comes; -1 without one */
    bool reading, writable;
};

static int signal_pipe[2] = {-1, -1};

static void on_signal(int number) {
    (void)number;
    if (write(signal_pipe[1], "", 1) < 0)
        return;
}

/* SIGINT and SIGTERM wake the loop, which then writes out what it holds. */
static bool catch_signals(struct error *error) {
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    if (!process_keeps(pipe(signal_pipe), signal_pipe))
        return fail(error, STATUS_INTERNAL, "the system gives no pipe");
    for (int i = 0; i < 2; i++)
        fcntl(signal_pipe[i], F_SETFL, O_NONBLOCK);
    signal(SIGPIPE, SIG_IGN);
    return sigaction(SIGINT, &action, NULL) == 0 && sigaction(SIGTERM, &action, NULL) == 0;
}

static bool was_signalled(void) {
    char byte;
    return read(signal_pipe[0], &byte, 1) == 1;
}

static void put_out(void *context, jv document, int status) {
    struct job *job = context;
    struct error error;
    job->status = status_worse(job->status, status);
    live_line_wipe();
    bool same = jv_identical(jv_copy(document), jv_copy(job->read));
    if (!given.quiet && job->writable &&
        !(same ? document_write_as_read(job->reader, &error) : document_write(document, &error))) {
        complain("stdout", "%s", error.text);
        job->status = status_worse(job->status, error.status);
        job->writable = false;
    }
    jv_free(document);
}

/* Takes in what has arrived on stdin; when the end has come, only to put it out again. */
static void read_documents(struct job *job, bool pass) {
    struct error error;
    enum document_event event;
    jv document;
    if (!document_reader_fill(job->reader, &error)) {
        complain("stdin", "%s", error.text);
        job->status = status_worse(job->status, error.status);
    }
    while ((event = document_next(job->reader, &document, &error)) != DOCUMENT_MORE &&
           event != DOCUMENT_END) {
        job->documents++;
        if (event == DOCUMENT_READY) {
            job->read = jv_copy(document);
            if (pass)
                poller_pass(job->poller, document);
            else
                poller_add(job->poller, document, job->reader);
            jv_free(job->read);
            job->read = jv_invalid();
        } else {
            complain("stdin", "%s", error.text);
            job->status = status_worse(job->status, error.status);
        }
    }
    job->reading = event != DOCUMENT_END;
}

static bool can_read(int descriptor) {
    struct timeval now = {0, 0};
    fd_set set;
    FD_ZERO(&set);
    FD_SET(descriptor, &set);
    return select(descriptor + 1, &set, NULL, NULL, &now) == 1;
}

/* Whether there was something to read; it is read then. */
static bool drain(int descriptor) {
    char bytes[4096];
    bool any = false;
    while (read(descriptor, bytes, sizeof bytes) > 0)
        any = true;
    return any;
}

/* The end has come before the work was done: what stdin still holds comes out as it stands, and
 * answers that are under way are waited for, together for less than a second. */
static void leave(struct job *job) {
    enum { MOST_MS = 800 };
    job->status = status_worse(job->status, job->reading ? STATUS_NOT_YET : STATUS_DONE);
    poller_give_up(job->poller, job->writable ? MOST_MS / 1000.0 : 0);
    struct stat facts;
    bool ends = fstat(STDIN_FILENO, &facts) == 0 && S_ISREG(facts.st_mode);
    double end = clock_elapsed() + MOST_MS / 1000.0; /* who writes to a pipe may never stop */
    while (job->writable && job->reading && can_read(STDIN_FILENO) && !was_signalled() &&
           (ends || clock_elapsed() < end))
        read_documents(job, true);
    if (job->reading && job->writable)
        complain("stdin", "it was not read to its end");
}

static void run(struct job *job) {
    double end = given.timeout > 0 ? clock_elapsed() + given.timeout : INFINITY;
    http_end_calls_at(job->client.http, signal_pipe[0], end);
    bool live = !given.quiet && !given.verbose && live_line_wanted();
    bool watched = given.poll.spool == NULL || job->spool >= 0; /* else: looked at every second */
    while (job->writable && (job->reading || poller_waiting(job->poller) > 0)) {
        int descriptors[3] = {signal_pipe[0]};
        unsigned count = 1;
        if (job->reading)
            descriptors[count++] = STDIN_FILENO;
        if (job->spool >= 0)
            descriptors[count++] = job->spool;
        if (was_signalled()) {
            job->status = status_worse(job->status, STATUS_NOT_YET);
            break;
        }
        if (clock_elapsed() >= end)
            break;
        double until = watched && !live ? end : fmin(end, clock_elapsed() + 1);
        if (job->reading && can_read(STDIN_FILENO)) {
            read_documents(job, false);
            until = 0; /* only what is due: stdin may never end */
        }
        poller_step(job->poller, descriptors, count, until);
        if (!watched || (job->spool >= 0 && drain(job->spool)))
            poller_look_for_notifications(job->poller);
        if (live)
            live_line_show(job->poller);
    }
    live_line_wipe();
    leave(job);
    bool none = job->documents == 0;
    if (job->status == STATUS_DONE &&
        (none || (given.quiet && poller_approved(job->poller) == 0))) {
        complain(NULL, "nobody approved anything: there is no %s",
                 none ? "document on stdin" : "call that is approved");
        job->status = STATUS_INPUT;
    }
}

static bool drop_rights(const struct job *job, struct error *error) {
    http_needs(job->client.http, &given.needs);
    record_needs(&job->record, &given.needs);
    confine_add(given.needs.writes, given.poll.spool);
    return confine(&given.needs, error);
}

int main(int argc, char **argv) {
    struct job job = {.read = jv_invalid(), .reading = true, .writable = true};
    struct error error;
    int first = options_parse(&command, argc, argv);
    if (first < argc)
        usage_error("unknown operand '%s'", argv[first]);
    if (given.verbose)
        verbose_on();
    if (!client_configure(&job.client, &given.client, &error) ||
        !record_configure(&job.record, &given.record, &error) || !catch_signals(&error) ||
        !drop_rights(&job, &error)) {
        complain(NULL, "%s", error.text);
        client_free(&job.client);
        return error.status;
    }
    job.spool = given.poll.spool != NULL ? spool_watch(given.poll.spool) : -1;
    job.reader = document_reader_new(STDIN_FILENO);
    given.poll.record = &job.record;
    given.poll.gate = given.quiet;
    job.client.without_id_token = given.without_id_token;
    job.record.store.client_id = job.client.id;
    job.poller = poller_new(&job.client, &given.poll, put_out, &job);
    run(&job);
    poller_free(job.poller);
    document_reader_free(job.reader);
    record_free(&job.record);
    client_free(&job.client);
    return job.status;
}
