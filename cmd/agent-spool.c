/* agent-spool: a directory of documents, and the command that advances them. */
#include "agent/engine.h"
#include "agent/engine_files.h"
#include "agent/postgres_schema.h"
#include "agent/postgres_store.h"
#include "agent/spool_add.h"
#include "agent/spool_list.h"
#include "agent/stages.h"
#include "agent/stores.h"
#include "approval/spent.h"
#include "base/clock.h"
#include "ciba/notifier.h"
#include "cli/options.h"
#include "cli/run.h"
#include "document/decision_notice.h"
#include "system/confine.h"
#include "system/program_helper.h"
#include "json/json.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

static struct {
    bool wait, verbose;
    long jobs;
    double backoff, give_up, stage_timeout, max_stage_time;
    const char *on_decision;
    struct spool_list_settings list;
    struct confinement needs;
} options = {.backoff = 60, .give_up = 5 * 86400, .jobs = 1};

static const struct option_spec option_table[] = {
    {'w', "wait", NULL, OPTION_FLAG, &options.wait, "run: go on until the queue is empty"},
    {'j', "jobs", "N", OPTION_SOME, &options.jobs, "run: work on N documents at a time (1)"},
    {0, "backoff", "SECONDS", OPTION_SECONDS, &options.backoff,
     "run: first wait before a retry, doubled up to an hour (60)"},
    {0, "give-up", "SECONDS", OPTION_SECONDS, &options.give_up,
     "run: give up what keeps failing for this long (432000)"},
    {0, "stage-timeout", "SECONDS", OPTION_SECONDS, &options.stage_timeout,
     "run: end a stage that has a document for longer, and retry"},
    {0, "max-stage-time", "SECONDS", OPTION_SECONDS, &options.max_stage_time,
     "run: the same, its name in earlier versions"},
    ON_DECISION_OPTION(options.on_decision, "run: "),
    SPOOL_LIST_OPTIONS(options.list),
    POSTGRES_OPTIONS,
    CONFINE_OPTIONS(options.needs),
    {'v', "verbose", NULL, OPTION_FLAG, &options.verbose, "say on stderr what is done"},
    {0, NULL, NULL, OPTION_FLAG, NULL, NULL},
};

static const struct command command = {
    "agent-spool",
    "add DIR\n"
    "       agent-spool run [-vw] [-j N] [--backoff SECONDS] [--give-up SECONDS]\n"
    "                       [--stage-timeout SECONDS] [--on-decision PROG]\n"
    "                       DIR -- STAGE ['|' STAGE]...\n"
    "       agent-spool list [--pending] [--queued] [--failed] [--done] [--since TIME]\n"
    "                        [--json | --metrics | --watch] DIR...\n"
    "       agent-spool retry DIR [NAME...]\n"
    "       agent-spool init URL\n"
    "In place of DIR: a postgresql:// URL, with [--spool-key-file FILE] [--worker-timeout "
    "SECONDS].",
    "Keeps documents, and works on each until it is done.", option_table, false};

enum action { ADD, RUN, LIST, RETRY, INIT };

enum { MOST_JOBS = 1000 };

struct job {
    enum action action;
    const char *where;
    char *shown;  /* in the audit log, and in what is told of it */
    char **names; /* to retry; or the other spools to list */
    struct store *store;
    struct spool_list *list;
    struct stages stages;
    struct program_helper helper;
    struct notifier notifier; /* of decisions */
};

static int retry(struct job *job) {
    struct error error;
    int status = STATUS_DONE;
    long count =
        job->store->kind->retry(job->store, *job->names != NULL ? job->names : NULL, &error);
    if (count < 0)
        report_error(&status, NULL, &error);
    else
        report_verbose(NULL, "documents that are tried again: %ld", count);
    return status;
}

/* Sets the folder in which the stages record used approvals, for all spools of this user. */
static bool name_spent(const char *directory, struct error *error) {
    char *folder = spent_for_spool(directory, error);
    bool good = folder != NULL && setenv("CIBA_SPENT", folder, 1) == 0;
    free(folder);
    return good;
}

/* Makes the schema, or migrates it. */
static bool init(const char *url, struct error *error) {
    const char *key;
    int from = 0, to = 0;
    if (!postgres_spool_key(&key, error) || !postgres_init(url, key, &from, &to, error))
        return false;
    report_verbose(NULL, "the schema's version was %d, and is %d", from, to);
    return true;
}

/* Prepares the stages; a helper that starts them is forked before this process gives up its
 * rights. */
static bool prepare_stages(struct job *job, struct error *error) {
    return stages_can_start(&job->stages, error) &&
           notifier_start_lasting(&job->notifier, "--on-decision", options.on_decision, error) &&
           (postgres_url_is(job->where) || name_spent(job->where, error)) &&
           program_helper_start(&job->helper, job->stages.programs, job->stages.count, error);
}

/* Opens the store for the action. */
static bool open_store(struct job *job, struct error *error) {
    static const enum store_use uses[] = {
        [ADD] = STORE_ADDS, [RUN] = STORE_RUNS, [RETRY] = STORE_RUNS};
    enum store_use use = uses[job->action];
    if (job->action == RETRY && postgres_url_is(job->where))
        use = STORE_ADDS; /* which makes no spool there, and needs no key */
    job->store = store_kind_of(job->where)->open(job->where, use, error);
    return job->store != NULL;
}

static bool configure(void *context, struct error *error) {
    struct job *job = context;
    signal(SIGPIPE, SIG_IGN);
    if (job->action == INIT)
        return init(job->where, error);
    if (job->action == LIST) {
        const char *const *names = (const char *const *)(job->names - 1); /* with `where` */
        job->list = spool_list_open(&options.list, names, &options.needs, error);
        return job->list != NULL;
    }
    job->shown = store_shown(job->where);
    if ((job->action == RUN && !prepare_stages(job, error)) || !open_store(job, error))
        return false;
    clock_boot();
    job->store->kind->needs(job->store, &options.needs);
    if (job->action == RUN) {
        program_helper_needs(&options.needs);
        engine_files_allow();
    }
    return true;
}

/* Starts --on-decision with a decision, which is taken. */
static void tell_decision(void *context, jv decision) {
    struct job *job = context;
    decision = json_set_string(decision, "spool", job->shown);
    notifier_tell(&job->notifier, decision);
    jv_free(decision);
}

static int run(struct job *job) {
    bool earlier = options.stage_timeout == 0;
    struct engine_settings settings = {
        .helper = &job->helper,
        .decided = options.on_decision != NULL ? tell_decision : NULL,
        .context = job,
        .rules = {.stages = job->stages.count,
                  .backoff = options.backoff,
                  .give_up = options.give_up,
                  .limit = earlier ? "--max-stage-time" : "--stage-timeout"},
        .spool = job->shown,
        .jobs = engine_files_jobs(options.jobs),
        .stage_timeout = earlier ? options.max_stage_time : options.stage_timeout,
        .waits = options.wait};
    return engine_run(job->store, &settings);
}

static int act(void *context) {
    struct job *job = context;
    switch (job->action) {
    case ADD:
        return spool_add(job->store);
    case RUN:
        return run(job);
    case RETRY:
        return retry(job);
    case INIT:
        return STATUS_DONE; /* configure has done it: it needs no input from others */
    case LIST:
        break;
    }
    return spool_list_print(job->list);
}

static void release(void *context) {
    struct job *job = context;
    if (job->store != NULL)
        job->store->kind->close(job->store);
    spool_list_free(job->list);
    free(job->shown);
    stages_free(&job->stages);
    notifier_end(&job->notifier);
}

static enum action action_named(const char *name) {
    static const char *const names[] = {
        [ADD] = "add", [RUN] = "run", [LIST] = "list", [RETRY] = "retry", [INIT] = "init"};
    for (int i = ADD; i <= INIT; i++)
        if (strcmp(names[i], name) == 0)
            return (enum action)i;
    usage_error("'%s' is not add, run, list, retry or init", name);
}

/* `words` are the operands after the store. */
static void read_operands(struct job *job, char **words) {
    job->names = words;
    if ((job->action == ADD || job->action == INIT) && *words != NULL)
        usage_unknown("operand", *words);
    if (job->action == RUN && !stages_parse(&job->stages, words))
        usage_error("run needs the stages: agent-spool run DIR -- COMMAND '|' COMMAND");
    if (options.jobs > MOST_JOBS)
        usage_error("-j takes at most %d", MOST_JOBS);
}

int main(int argc, char **argv) {
    static const struct command_parts parts = {configure, &options.needs, act, release};
    struct job job = {.store = NULL};
    int first = options_parse(&command, argc, argv);
    if (first == argc)
        usage_error("add, run, list, retry or init, and a directory or URL are needed");
    job.action = action_named(argv[first]);
    if (argc - first < 2)
        usage_error("%s: a directory or URL is needed", argv[first]);
    job.where = argv[first + 1];
    if (job.action == INIT && !postgres_url_is(job.where))
        usage_error("init needs a postgresql:// URL; a folder is made by add");
    read_operands(&job, argv + first + 2);
    return command_run(&parts, &job);
}
