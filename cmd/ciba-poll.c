/* ciba-poll: waits until the user has decided. */
#include "approval/audit_origin.h"
#include "base/clock.h"
#include "ciba/asked.h"
#include "ciba/live_line.h"
#include "ciba/notification_spool.h"
#include "ciba/notifier.h"
#include "ciba/outcomes.h"
#include "ciba/poller.h"
#include "cli/options.h"
#include "cli/run.h"
#include "document/decision_notice.h"
#include "document/reader.h"
#include "document/stage.h"
#include "document/step.h"
#include "system/confine.h"
#include "system/durable_file.h"
#include "system/signals.h"

#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    LAST_MS = 800, /* for the answers of open requests, at the end */
    TELL_MS = 1000 /* after that it is said who is waited for, though stdin has not ended */
};

static struct {
    bool quiet, verbose, without_id_token;
    double max_wait;
    const char *on_decision;
    struct poller_settings poll;
    struct client_settings client;
    struct ledger_settings ledger;
    struct confinement needs;
} options = {.poll = {.parallel = 64}};

static const struct option_spec option_table[] = {
    {0, "once", NULL, OPTION_FLAG, &options.poll.once, "poll each call once, then write all"},
    {'q', "quiet", NULL, OPTION_FLAG, &options.quiet,
     "write nothing; exit 0 only if something is approved, and proven"},
    {0, "max-wait", "SECONDS", OPTION_SECONDS, &options.max_wait,
     "write what is still pending after this time"},
    {'j', "jobs", "N", OPTION_COUNT, &options.poll.parallel,
     "send at most N requests at a time (64)"},
    {0, "notification-dir", "DIR", OPTION_TEXT, &options.poll.spool,
     "wait for notifications in DIR, for calls that expect them"},
    {0, "push", NULL, OPTION_FLAG, &options.poll.push,
     "the notifications bring the tokens; do not poll"},
    ON_DECISION_OPTION(options.on_decision, ""),
    {0, "without-id-token", NULL, OPTION_FLAG, &options.without_id_token,
     "accept that the provider gives no ID token"},
    STORE_OPTIONS(options.ledger),
    LEDGER_OPTIONS(options.ledger),
    CLIENT_OPTIONS(options.client),
    CONFINE_OPTIONS(options.needs),
    {'v', "verbose", NULL, OPTION_FLAG, &options.verbose, "say on stderr what is done"},
    {0, NULL, NULL, OPTION_FLAG, NULL, NULL},
};

static const struct command command = {"ciba-poll", "[-qv] [--once] [--max-wait SECONDS] [-e FILE]",
                                       "Waits for the user's decision on every pending call.",
                                       option_table, false};

struct job {
    struct client client;
    struct ledger ledger;
    struct notifier notifier; /* of decisions */
    struct poller *poller;
    struct document_reader *reader;
    jv read; /* the document being added, else invalid */
    int status;
    unsigned long documents;
    int signals; /* readable when one has come; then what is held is written */
    int spool;   /* readable when a notification arrives; -1 without one */
    bool reading, writable;
    bool told, warned; /* whom it waits for; of the terminal */
    struct outcomes outcomes;
};

/* Warns, before there is a token, of where it would be shown. */
static void warn_of_terminal(struct job *job) {
    if (job->warned || poller_waiting(job->poller) == 0 || options.quiet)
        return;
    job->warned = true;
    if (isatty(STDOUT_FILENO))
        report(NULL, "a terminal does not show the access token of a yes, and nothing keeps it; "
                     "> FILE does, and -q shows nothing");
}

/* Says, once, whom it waits for; a line that is redrawn says it better. */
static void tell_wait(struct job *job) {
    size_t others = 0;
    jv call = job->told || options.quiet || options.verbose
                  ? jv_invalid()
                  : poller_waiting_call(job->poller, &others);
    if (jv_is_valid(call)) {
        char *line = asked_line(call);
        if (others > 0)
            report_whole(NULL, "%s (and %zu more)", line, others);
        else
            report_whole(NULL, "%s", line);
        free(line);
        job->told = true;
    }
    jv_free(call);
}

static void put_out(void *context, jv document, int status) {
    struct job *job = context;
    struct error error;
    job->status = status_worse(job->status, status);
    live_line_wipe();
    bool same = jv_identical(jv_copy(document), jv_copy(job->read));
    if (!same) /* else it was known before */
        outcomes_add(&job->outcomes, document);
    if (!options.quiet && job->writable &&
        !(same ? document_write_as_read(job->reader, &error) : document_write(document, &error))) {
        report_error(&job->status, "stdout", &error);
        job->writable = false;
    }
    jv_free(document);
}

static void tell_decision(void *context, jv decision) {
    struct job *job = context;
    notifier_tell(&job->notifier, decision);
    jv_free(decision);
}

/* The same for a document of agent-spool. */
static void give_back(void *context, struct stage_document *stage, jv document, int status) {
    struct job *job = context;
    bool changed = !jv_identical(jv_copy(stage->document), jv_copy(document));
    job->writable = step_give_back(stage, document, changed, &status) && job->writable;
}

/* Reads documents from stdin; with `pass` only to write them again. */
static void read_documents(struct job *job, bool pass) {
    struct error error;
    enum document_event event;
    jv document;
    if (!document_reader_fill(job->reader, &error))
        report_error(&job->status, "stdin", &error);
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
            report_error(&job->status, "stdin", &error);
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

/* Whether the descriptor was readable; empties it. */
static bool drain(int descriptor) {
    char bytes[4096];
    bool any = false;
    while (read(descriptor, bytes, sizeof bytes) > 0)
        any = true;
    return any;
}

/* Stopped before the work was done: writes the rest of stdin unchanged, and waits less than a
 * second for the answers of open requests. */
static void leave(struct job *job) {
    job->status = status_worse(job->status, job->reading ? STATUS_NOT_YET : STATUS_DONE);
    poller_give_up(job->poller, job->writable ? LAST_MS / 1000.0 : 0);
    struct stat facts;
    bool ends = fstat(STDIN_FILENO, &facts) == 0 && S_ISREG(facts.st_mode);
    double end = clock_elapsed() + LAST_MS / 1000.0; /* the writer of a pipe may never stop */
    while (job->writable && job->reading && can_read(STDIN_FILENO) && signals_caught() == 0 &&
           (ends || clock_elapsed() < end))
        read_documents(job, true);
    if (job->reading && job->writable)
        report("stdin", "it was not read to its end");
}

static void run(struct job *job) {
    double end = options.max_wait > 0 ? clock_elapsed() + options.max_wait : INFINITY;
    http_end_calls_at(job->client.issuer.http, job->signals, end);
    bool live = !options.quiet && !options.verbose && live_line_wanted();
    double tell_at = options.poll.once ? INFINITY : clock_elapsed() + TELL_MS / 1000.0;
    bool watched =
        options.poll.spool == NULL || job->spool >= 0; /* otherwise checked every second */
    if (isatty(STDIN_FILENO))
        read_documents(job, false); /* says that nothing was piped in */
    while (job->writable && (job->reading || poller_waiting(job->poller) > 0)) {
        int descriptors[3] = {job->signals};
        unsigned count = 1;
        if (job->reading)
            descriptors[count++] = STDIN_FILENO;
        if (job->spool >= 0)
            descriptors[count++] = job->spool;
        if (signals_caught() != 0) {
            job->status = status_worse(job->status, STATUS_NOT_YET);
            break;
        }
        if (clock_elapsed() >= end)
            break;
        double until = watched && !live ? end : fmin(end, clock_elapsed() + 1);
        if (job->reading && can_read(STDIN_FILENO)) {
            read_documents(job, false);
            until = 0; /* only due work: stdin may never end */
        }
        warn_of_terminal(job);
        if (!live && !job->told && !options.quiet && !options.poll.once) {
            if (!job->reading || clock_elapsed() >= tell_at)
                tell_wait(job);
            else
                until = fmin(until, tell_at);
        }
        poller_step(job->poller, descriptors, count, until);
        if (!watched || (job->spool >= 0 && drain(job->spool)))
            poller_look_for_notifications(job->poller);
        if (live)
            live_line_show(job->poller);
    }
    live_line_wipe();
    leave(job);
    bool tells = !options.quiet && !options.poll.once;
    if (tells && (job->told || live || outcomes_have_no(&job->outcomes)))
        outcomes_tell(&job->outcomes);
    bool none = job->documents == 0;
    if (job->status == STATUS_DONE &&
        (none || (options.quiet && poller_approved(job->poller) == 0)))
        report_failure(&job->status, STATUS_INPUT, NULL, "nobody approved anything: there is no %s",
                       none ? "document on stdin" : "call that is approved");
}

/* Waits with the documents of agent-spool until it has no more, or ends; then with none. */
static void run_in_stage(struct job *job) {
    struct error error;
    const double most = options.max_wait > 0 ? options.max_wait : INFINITY;
    bool watched = options.poll.spool == NULL || job->spool >= 0, more = stage_open(true, &error);
    struct stage_document *stage;
    http_end_calls_at(job->client.issuer.http, job->signals, INFINITY);
    while (more && signals_caught() == 0 && (more = stage_receive(&error))) {
        int descriptors[3] = {job->signals, stage_socket(), job->spool};
        while ((stage = stage_come()) != NULL)
            poller_add_stage(job->poller, stage, most);
        double until = poller_leave_late(job->poller);
        until = watched ? until : fmin(until, clock_elapsed() + 1);
        poller_step(job->poller, descriptors, job->spool >= 0 ? 3 : 2, until);
        if (!watched || (job->spool >= 0 && drain(job->spool)))
            poller_look_for_notifications(job->poller);
    }
    if (!more && error.status != STATUS_DONE)
        report_error(&job->status, NULL, &error);
    poller_give_up(job->poller, more || error.status == STATUS_DONE ? LAST_MS / 1000.0 : 0);
    while ((stage = stage_come()) != NULL)
        give_back(job, stage, jv_copy(stage->document), STATUS_NOT_YET);
}

/* Watches the spool before rights are given up, because a new watch could be on any file. */
static bool configure(void *context, struct error *error) {
    struct job *job = context;
    const char *spool = options.poll.spool;
    if (!client_configure(&job->client, &options.client, error) ||
        !ledger_configure(&job->ledger, &options.ledger, error) ||
        !ledger_configure_store(&job->ledger, &options.ledger, job->client.credentials.id, error) ||
        !notifier_start_lasting(&job->notifier, "--on-decision", options.on_decision, error) ||
        (job->signals = signals_catch(error)) < 0 ||
        (spool != NULL && !durable_ready(spool, true, error)))
        return false;
    audit_origin_client(job->client.credentials.id);
    tzset(); /* while its files can be read */
    job->client.without_id_token = options.without_id_token;
    job->spool = spool != NULL ? notification_spool_watch(spool) : -1;
    client_needs(&job->client, &options.needs);
    ledger_needs(&job->ledger, &options.needs);
    notifier_needs(&job->notifier, &options.needs);
    options.needs.times = spool != NULL;
    confine_add(options.needs.writes, spool);
    return true;
}

static int wait_for_decisions(void *context) {
    struct job *job = context;
    options.poll.ledger = &job->ledger;
    options.poll.gate = options.quiet;
    options.poll.decided = options.on_decision != NULL ? tell_decision : NULL;
    /* With -q nothing is given back: agent-spool is told by the exit status. */
    bool in_stage = stage_role() == STAGE_OWN && !options.quiet;
    options.poll.give_back = in_stage ? give_back : NULL;
    job->reader = in_stage ? NULL : document_reader_new(STDIN_FILENO);
    job->poller = poller_new(&job->client, &options.poll, put_out, job);
    if (in_stage)
        run_in_stage(job);
    else
        run(job);
    poller_free(job->poller);
    if (!in_stage)
        document_reader_free(job->reader);
    return job->status;
}

static void release(void *context) {
    struct job *job = context;
    notifier_end(&job->notifier);
    outcomes_free(&job->outcomes);
    ledger_free(&job->ledger);
    client_free(&job->client);
}

int main(int argc, char **argv) {
    static const struct command_parts parts = {configure, &options.needs, wait_for_decisions,
                                               release};
    struct job job = {.read = jv_invalid(), .reading = true, .writable = true};
    options_parse_only(&command, argc, argv);
    return command_run(&parts, &job);
}
