/* agent-spool: a directory of documents, and the command that advances them. */
#include "agent/agent_spool.h"
#include "agent/spool_list.h"
#include "agent/spool_run.h"
#include "agent/stages.h"
#include "approval/spent.h"
#include "base/clock.h"
#include "cli/options.h"
#include "cli/run.h"
#include "document/reader.h"
#include "document/stream.h"
#include "system/confine.h"
#include "system/durable_file.h"
#include "system/program_helper.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct {
    bool json, wait, verbose;
    double backoff, give_up, max_stage_time;
    struct confinement needs;
} options = {.backoff = 60, .give_up = 5 * 86400};

static const struct option_spec option_table[] = {
    {0, "json", NULL, OPTION_FLAG, &options.json, "list: print a line of JSON for each document"},
    {'w', "wait", NULL, OPTION_FLAG, &options.wait, "run: go on until the queue is empty"},
    {0, "backoff", "SECONDS", OPTION_SECONDS, &options.backoff,
     "run: first wait before a retry, doubled up to an hour (60)"},
    {0, "give-up", "SECONDS", OPTION_SECONDS, &options.give_up,
     "run: give up what keeps failing for this long (432000)"},
    {0, "max-stage-time", "SECONDS", OPTION_SECONDS, &options.max_stage_time,
     "run: end a stage that takes longer, and retry"},
    CONFINE_OPTIONS(options.needs),
    {'v', "verbose", NULL, OPTION_FLAG, &options.verbose, "say on stderr what is done"},
    {0, NULL, NULL, OPTION_FLAG, NULL, NULL},
};

static const struct command command = {
    "agent-spool",
    "add DIR\n"
    "       agent-spool run [-vw] [--backoff SECONDS] "
    "[--give-up SECONDS] [--max-stage-time SECONDS] DIR -- STAGE ['|' STAGE]...\n"
    "       agent-spool list [--json] DIR",
    "Keeps documents, and works on each until it is done.", option_table, false};

enum action { ADD, RUN, LIST };

struct job {
    enum action action;
    const char *directory;
    struct agent_spool spool;
    struct stages stages;
    struct program_helper helper;
};

static jv add_document(void *context, jv document, int *status) {
    struct error error;
    char *name = agent_spool_add(document, &error), *line = NULL;
    (void)context;
    if (name != NULL)
        line = must_format("%s\n", name);
    if (name == NULL || !output_write(line, strlen(line), &error))
        report_error(status, name, &error);
    free(name);
    free(line);
    jv_free(document);
    return jv_invalid();
}

/* Sets the folder in which the stages record used approvals, for all spools of this user. */
static bool name_spent(const char *directory, struct error *error) {
    char *folder = spent_for_spool(directory, error);
    bool good = folder != NULL && setenv("CIBA_SPENT", folder, 1) == 0;
    free(folder);
    return good;
}

/* Prepares the stages; a helper that starts them is forked before this process gives up its
 * rights. */
static bool prepare_stages(struct job *job, struct error *error) {
    return stages_can_start(&job->stages, error) && name_spent(job->directory, error) &&
           program_helper_start(&job->helper, job->stages.programs, job->stages.count, error);
}

/* A list shows local times: load the time zone before access to files is given up. */
static bool configure(void *context, struct error *error) {
    struct job *job = context;
    bool writes = job->action != LIST;
    signal(SIGPIPE, SIG_IGN);
    if ((job->action == RUN && !prepare_stages(job, error)) ||
        (job->action == ADD && !durable_folder(job->directory, error)) ||
        !agent_spool_open(&job->spool, job->directory, writes, error))
        return false;
    tzset();
    clock_boot();
    options.needs.times = writes;
    confine_add(writes ? options.needs.writes : options.needs.reads, ".");
    if (job->action == RUN)
        program_helper_needs(&options.needs);
    return true;
}

static int act(void *context) {
    struct job *job = context;
    switch (job->action) {
    case ADD:
        return stream_run(add_document, NULL, &(struct stream_jobs){.consumes = true});
    case RUN:
        return spool_run(&job->spool, &job->stages, options.wait);
    case LIST:
        break;
    }
    return spool_list(options.json);
}

static void release(void *context) {
    struct job *job = context;
    agent_spool_close(&job->spool);
    stages_free(&job->stages);
}

static enum action action_named(const char *name) {
    static const char *const names[] = {[ADD] = "add", [RUN] = "run", [LIST] = "list"};
    for (int i = ADD; i <= LIST; i++)
        if (strcmp(names[i], name) == 0)
            return (enum action)i;
    usage_error("'%s' is not add, run or list", name);
}

/* `words` are the operands after the directory. */
static void read_stages(struct job *job, char **words) {
    if (job->action != RUN && *words != NULL)
        usage_unknown("operand", *words);
    if (job->action == RUN && !stages_parse(&job->stages, words))
        usage_error("run needs the stages: agent-spool run DIR -- COMMAND '|' COMMAND");
    job->stages.backoff = options.backoff;
    job->stages.give_up = options.give_up;
    for (size_t i = 0; i < job->stages.count; i++)
        job->stages.programs[i].timeout = options.max_stage_time;
}

int main(int argc, char **argv) {
    static const struct command_parts parts = {configure, &options.needs, act, release};
    struct job job = {.spool = {NULL, -1}, .stages = {.helper = &job.helper}};
    int first = options_parse(&command, argc, argv);
    if (argc - first < 2)
        usage_error("add, run or list, and a directory are needed");
    job.action = action_named(argv[first]);
    job.directory = argv[first + 1];
    read_stages(&job, argv + first + 2);
    return command_run(&parts, &job);
}
