/* agent-spool: a directory of documents, and the step that advances them. */
#include "agent_spool.h"
#include "call.h"
#include "clock.h"
#include "confine.h"
#include "documents.h"
#include "durable.h"
#include "filter.h"
#include "json.h"
#include "options.h"
#include "runner.h"
#include "spent.h"
#include "stages.h"
#include "utf8.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct {
    bool json, wait, verbose;
    double backoff, give_up;
    struct confinement needs;
} given = {.backoff = 60, .give_up = 5 * 86400};

static const struct option_spec options[] = {
    {0, "json", NULL, OPTION_FLAG, &given.json, "list: a line of JSON for each document"},
    {'w', "wait", NULL, OPTION_FLAG, &given.wait, "run: go on until the queue is empty"},
    {0, "backoff", "SECONDS", OPTION_SECONDS, &given.backoff,
     "run: try again after this, doubled each time up to an hour (60)"},
    {0, "give-up", "SECONDS", OPTION_SECONDS, &given.give_up,
     "run: move what goes wrong for so long to failed (432000)"},
    CONFINE_OPTION(given.needs),
    {'v', "verbose", NULL, OPTION_FLAG, &given.verbose, "say on stderr what is done"},
    {0, NULL, NULL, OPTION_FLAG, NULL, NULL},
};

static const struct command command = {"agent-spool",
                                       "add DIR\n"
                                       "       agent-spool run [-vw] [--backoff SECONDS] "
                                       "[--give-up SECONDS] DIR -- STAGE ['|' STAGE]...\n"
                                       "       agent-spool list [--json] DIR",
                                       "Keeps documents, and works on each until it is done.",
                                       options, false};

/* add */

static jv add_document(void *context, jv document, int *status) {
    struct error error;
    char *name = agent_spool_add(context, document, &error), *line = NULL;
    if (name != NULL)
        line = must_format("%s\n", name);
    if (name == NULL || !output_write(line, strlen(line), &error)) {
        complain(name, "%s", error.text);
        *status = status_worse(*status, error.status);
    }
    free(name);
    free(line);
    jv_free(document);
    return jv_invalid();
}

static int add(struct agent_spool *spool) {
    return filter_run(add_document, spool, NULL);
}

/* list */

static char *time_text(double time) {
    char text[40];
    time_t seconds = (time_t)time;
    struct tm parts;
    if (!(time > 0) || localtime_r(&seconds, &parts) == NULL)
        return must_copy("-");
    strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts);
    return must_copy(text);
}

/* What has come of a call, in a word. */
static const char *outcome(jv call) {
    static const char *const words[] = {
        [CALL_DONE] = "done",         [CALL_NEW] = "new",       [CALL_PENDING] = "pending",
        [CALL_APPROVED] = "approved", [CALL_DENIED] = "denied", [CALL_EXPIRED] = "expired",
        [CALL_FAILED] = "failed"};
    jv result = json_get(call, "result");
    const char *error = json_string(result, "error");
    jv_free(result); /* which the call has still */
    return error != NULL ? error : words[call_state(call)];
}

static jv call_facts(jv call) {
    static const char *const told[] = {"user",       "login_hint",        "binding_message",
                                       "expires_at", "requested_at",      "status",
                                       "error",      "error_description", "reused"};
    jv facts = json_set_string(jv_object(), "id", call_id(call));
    jv authorization = json_get(call, "authorization");
    facts = json_set_string(facts, "name", json_string(call, "name"));
    for (size_t i = 0; i < sizeof told / sizeof *told; i++)
        if (json_has(authorization, told[i]))
            facts = json_set(facts, told[i], json_get(authorization, told[i]));
    jv_free(authorization);
    facts = json_set_string(facts, "outcome", outcome(call));
    return json_has(call, "result") ? json_set(facts, "result", json_get(call, "result")) : facts;
}

static jv all_call_facts(jv document) {
    jv calls = json_array(document, "calls"), all = jv_array();
    jv_array_foreach(calls, i, call) {
        if (jv_get_kind(call) == JV_KIND_OBJECT)
            all = jv_array_append(all, call_facts(call));
        jv_free(call);
    }
    jv_free(calls);
    return all;
}

static bool print_line(const char *folder, const char *name, jv call, const char *what,
                       struct error *error) {
    double since = 0, until = 0;
    json_number(call, "requested_at", &since);
    json_number(call, "expires_at", &until);
    const char *user = json_string(call, "user"), *state = json_string(call, "outcome");
    user = user != NULL ? user : json_string(call, "login_hint");
    char *from = time_text(since), *to = time_text(until);
    char *line =
        must_format("%-6s %-29s %-9s %-16s %-19s %-19s %s", folder, name,
                    state != NULL ? state : "-", user != NULL ? user : "-", from, to, what);
    utf8_make_plain(line);
    char *ended = must_format("%s\n", line);
    bool good = output_write(ended, strlen(ended), error);
    free(from);
    free(to);
    free(line);
    free(ended);
    return good;
}

/* A line for each call, or one for a document without any. */
static bool print_table(const char *folder, const char *name, jv document, jv facts,
                        struct error *error) {
    jv own = json_get(document, "spool"), calls = json_get(facts, "calls");
    const char *reason = json_string(own, "reason");
    bool good = true;
    jv_array_foreach(calls, i, call) {
        const char *message = json_string(call, "binding_message");
        char *what = must_format("%s%s%s", message != NULL ? message : "",
                                 reason != NULL ? "; " : "", reason != NULL ? reason : "");
        good = good && print_line(folder, name, call, what, error);
        free(what);
        jv_free(call);
    }
    if (jv_array_length(jv_copy(calls)) == 0)
        good = print_line(folder, name, facts, reason != NULL ? reason : "", error);
    jv_free(own);
    jv_free(calls);
    return good;
}

static int list_entry(struct agent_spool *spool, const char *folder,
                      const struct agent_spool_entry *entry) {
    struct error error;
    jv document;
    if (!agent_spool_read(spool, folder, entry->name, &document, &error)) {
        if (error.status == STATUS_NO_FILE) /* it has just been moved */
            return STATUS_DONE;
        complain(NULL, "%s", error.text);
        return error.status;
    }
    jv facts = json_set_string(jv_object(), "name", entry->name);
    facts = json_set_string(facts, "folder", folder);
    facts = json_set(facts, strcmp(folder, "queue") == 0 ? "due_at" : "at", jv_number(entry->due));
    facts = json_set(facts, "calls", all_call_facts(document));
    if (json_has(document, "spool"))
        facts = json_set(facts, "spool", json_get(document, "spool"));
    bool good = given.json ? document_write(facts, &error)
                           : print_table(folder, entry->name, document, facts, &error);
    if (!good)
        complain("stdout", "%s", error.text);
    jv_free(document);
    jv_free(facts);
    return good ? STATUS_DONE : error.status;
}

static int list(struct agent_spool *spool) {
    static const char *const folders[] = {"queue", "failed", "done"};
    int status = STATUS_DONE;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        struct error error = {STATUS_DONE, ""};
        size_t count;
        struct agent_spool_entry *entries = agent_spool_entries(spool, folders[i], &count, &error);
        if (error.status != STATUS_DONE) {
            complain(NULL, "%s", error.text);
            status = status_worse(status, error.status);
        }
        for (size_t j = 0; j < count && status != STATUS_IO; j++)
            status = status_worse(status, list_entry(spool, folders[i], &entries[j]));
        agent_spool_free_entries(entries, count);
    }
    return status;
}

/* run */

/* Works on what is due. *next is when the first of the rest is. */
static int run_once(struct agent_spool *spool, const struct stages *stages, double *next) {
    struct error error = {STATUS_DONE, ""};
    size_t count;
    int status = STATUS_DONE;
    double now = clock_now();
    struct agent_spool_entry *entries = agent_spool_entries(spool, "queue", &count, &error);
    *next = INFINITY;
    if (error.status != STATUS_DONE) {
        complain(NULL, "%s", error.text);
        status = error.status;
    }
    for (size_t i = 0; i < count; i++) {
        double due = entries[i].due;
        int came = STATUS_NOT_YET;
        if (due <= now)
            came = stages_advance(stages, spool, entries[i].name, &due);
        if (came == STATUS_NOT_YET && due < *next)
            *next = due;
        status = status_worse(status, came);
    }
    agent_spool_free_entries(entries, count);
    return status;
}

static int run(struct agent_spool *spool, const struct stages *stages) {
    double next;
    int status = run_once(spool, stages, &next), worst = STATUS_DONE;
    while (given.wait && next < INFINITY) {
        if (status != STATUS_NOT_YET)
            worst = status_worse(worst, status);
        clock_sleep(fmin(fmax(next - clock_now(), 0.01), 1));
        status = run_once(spool, stages, &next);
    }
    return status_worse(worst, status);
}

/* The stages use each approval once, in all spools of this user. */
static bool name_spent(const char *directory, struct error *error) {
    char *folder = spent_for_spool(directory, error);
    bool good = folder != NULL && setenv("CIBA_SPENT", folder, 1) == 0;
    free(folder);
    return good;
}

/* A list has local times: what tells of them is read before the files go. */
static bool drop_rights(const char *directory, bool writes, bool runs, struct error *error) {
    tzset();
    confine_add(writes ? given.needs.writes : given.needs.reads, directory);
    if (runs)
        runner_needs(&given.needs);
    return confine(&given.needs, error);
}

int main(int argc, char **argv) {
    struct agent_spool spool = {NULL, -1};
    struct runner runner;
    struct stages stages = {.runner = &runner};
    struct error error;
    int status = STATUS_USAGE, first = options_parse(&command, argc, argv);
    if (argc - first < 2)
        usage_error("add, run or list, and a directory are needed");
    const char *action = argv[first], *directory = argv[first + 1];
    bool runs = strcmp(action, "run") == 0, adds = strcmp(action, "add") == 0;
    if (!runs && !adds && strcmp(action, "list") != 0)
        usage_error("'%s' is not add, run or list", action);
    if (!runs && argc - first > 2)
        usage_error("unknown operand '%s'", argv[first + 2]);
    if (runs && !stages_parse(&stages, argv + first + 2))
        usage_error("run needs the stages: agent-spool run DIR -- COMMAND '|' COMMAND");
    stages.backoff = given.backoff;
    stages.give_up = given.give_up;
    if (given.verbose)
        verbose_on();
    signal(SIGPIPE, SIG_IGN);
    if ((!runs || (name_spent(directory, &error) &&
                   runner_start(&runner, stages.programs, stages.count, &error))) &&
        (!adds || durable_folder(directory, &error)) &&
        agent_spool_open(&spool, directory, adds || runs, &error) &&
        drop_rights(directory, adds || runs, runs, &error)) {
        status = adds ? add(&spool) : runs ? run(&spool, &stages) : list(&spool);
    } else {
        complain(NULL, "%s", error.text);
        status = error.status;
    }
    agent_spool_close(&spool);
    stages_free(&stages);
    return status;
}
