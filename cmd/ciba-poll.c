/* ciba-poll: waits until the user has decided. */
#include "approval/audit_origin.h"
#include "ciba/notification_spool.h"
#include "ciba/poll_documents.h"
#include "cli/options.h"
#include "cli/run.h"
#include "document/decision_notice.h"
#include "system/confine.h"
#include "system/durable_file.h"
#include "system/signals.h"
#include "system/stage_socket.h"

#include <time.h>

static struct {
    bool without_id_token;
    const char *on_decision;
    struct poll_settings wait;
    struct client_settings client;
    struct ledger_settings ledger;
    struct confinement needs;
} options = {.wait = {.watch = -1, .poll = {.parallel = 64}}};

static const struct option_spec option_table[] = {
    {0, "once", NULL, OPTION_FLAG, &options.wait.poll.once, "poll each call once, then write all"},
    {'q', "quiet", NULL, OPTION_FLAG, &options.wait.quiet,
     "write nothing; exit 0 only if something is approved, and proven"},
    {0, "max-wait", "SECONDS", OPTION_SECONDS, &options.wait.max_wait,
     "write what is still pending after this time"},
    {'j', "jobs", "N", OPTION_COUNT, &options.wait.poll.parallel,
     "send at most N requests at a time (64)"},
    {0, "notification-dir", "DIR", OPTION_TEXT, &options.wait.poll.spool,
     "wait for notifications in DIR, for calls that expect them"},
    {0, "push", NULL, OPTION_FLAG, &options.wait.poll.push,
     "the notifications bring the tokens; do not poll"},
    ON_DECISION_OPTION(options.on_decision, ""),
    {0, "without-id-token", NULL, OPTION_FLAG, &options.without_id_token,
     "accept that the provider gives no ID token"},
    STORE_OPTIONS(options.ledger),
    LEDGER_OPTIONS(options.ledger),
    CLIENT_OPTIONS(options.client),
    CONFINE_OPTIONS(options.needs),
    {'v', "verbose", NULL, OPTION_FLAG, &options.wait.verbose, "say on stderr what is done"},
    {0, NULL, NULL, OPTION_FLAG, NULL, NULL},
};

static const struct command command = {"ciba-poll", "[-qv] [--once] [--max-wait SECONDS] [-e FILE]",
                                       "Waits for the user's decision on every pending call.",
                                       option_table, false};

struct job {
    struct client client;
    struct ledger ledger;
    struct notifier notifier; /* of decisions */
};

/* Watches the spool before rights are given up, because a new watch could be on any file. */
static bool configure(void *context, struct error *error) {
    struct job *job = context;
    const char *spool = options.wait.poll.spool;
    if (!client_configure(&job->client, &options.client, error) ||
        !ledger_configure(&job->ledger, &options.ledger, error) ||
        !ledger_configure_store(&job->ledger, &options.ledger, job->client.credentials.id, error) ||
        !notifier_start_lasting(&job->notifier, "--on-decision", options.on_decision, error) ||
        (options.wait.signals = signals_catch(error)) < 0 ||
        (spool != NULL && !durable_ready(spool, true, error)))
        return false;
    audit_origin_client(job->client.credentials.id);
    tzset(); /* while its files can be read */
    job->client.without_id_token = options.without_id_token;
    options.wait.watch = spool != NULL ? notification_spool_watch(spool) : -1;
    client_needs(&job->client, &options.needs);
    ledger_needs(&job->ledger, &options.needs);
    notifier_needs(&job->notifier, &options.needs);
    options.needs.times = spool != NULL;
    confine_add(options.needs.writes, spool);
    return true;
}

static int wait_for_decisions(void *context) {
    struct job *job = context;
    struct poll_settings *wait = &options.wait;
    wait->poll.ledger = &job->ledger;
    wait->poll.gate = wait->quiet;
    wait->on_decision = options.on_decision != NULL ? &job->notifier : NULL;
    /* With -q nothing is given back: agent-spool is told by the exit status. */
    bool in_stage = stage_role() == STAGE_OWN && !wait->quiet;
    return in_stage ? poll_stage(&job->client, wait) : poll_documents(&job->client, wait);
}

static void release(void *context) {
    struct job *job = context;
    notifier_end(&job->notifier);
    ledger_free(&job->ledger);
    client_free(&job->client);
}

int main(int argc, char **argv) {
    static const struct command_parts parts = {configure, &options.needs, wait_for_decisions,
                                               release};
    struct job job = {.client.without_id_token = false};
    options_parse_only(&command, argc, argv);
    return command_run(&parts, &job);
}
