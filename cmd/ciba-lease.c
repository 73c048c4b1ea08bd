/* ciba-lease: which leases there are, and ends them. */
#include "approval/lease.h"
#include "approval/lease_audit.h"
#include "approval/ledger.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "cli/options.h"
#include "cli/run.h"
#include "document/reader.h"
#include "system/confine.h"
#include "system/durable_file.h"
#include "system/settings.h"
#include "json/json.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct {
    bool json, all;
    const char *env_file;
    struct ledger_settings ledger;
    struct confinement needs;
} options;

static const struct option_spec option_table[] = {
    {0, "json", NULL, OPTION_FLAG, &options.json, "list: print a line of JSON for each lease"},
    {0, "all", NULL, OPTION_FLAG, &options.all, "end: all leases of the store"},
    STORE_OPTIONS(options.ledger),
    AUDIT_OPTION(options.ledger),
    {'e', "env-file", "FILE", OPTION_TEXT, &options.env_file, "read settings from FILE too"},
    CONFINE_OPTIONS(options.needs),
    {0, NULL, NULL, OPTION_FLAG, NULL, NULL},
};

static const struct command command = {
    "ciba-lease",
    "list [--json] [--store-dir DIR] [-e FILE]\n"
    "       ciba-lease end [--audit-file FILE] [--store-dir DIR] [-e FILE] --all | ID...",
    "Lists and ends the leases that users have given: approvals for several calls.", option_table,
    false};

struct job {
    bool ends;
    char *const *ids; /* up to a NULL */
    struct ledger ledger;
};

/* A list shows local times: load the time zone before access to files is given up. */
static bool configure(void *context, struct error *error) {
    struct job *job = context;
    struct ledger *ledger = &job->ledger;
    signal(SIGPIPE, SIG_IGN);
    if (!settings_load(options.env_file, error) ||
        !ledger_configure_store(ledger, &options.ledger, NULL, error))
        return false;
    if (ledger->store.folder == NULL)
        return fail(error, STATUS_CONFIG, "no store: set --store-dir, or CIBA_STORE");
    if (job->ends)
        ledger->audit = settings_get(options.ledger.audit, "CIBA_AUDIT", NULL);
    tzset();
    if (!ledger_ready(ledger, error))
        return false;
    if (job->ends)
        ledger_needs(ledger, &options.needs);
    else
        confine_add(options.needs.reads, ledger->store.folder);
    return true;
}

static bool print_line(jv lease, struct error *error) {
    double left = 0, uses = 0, ends_at = 0;
    json_number(lease, "uses_left", &left);
    json_number(lease, "uses", &uses);
    json_number(lease, "ends_at", &ends_at);
    const char *user = json_string(lease, "user"), *tool = json_string(lease, "tool");
    const char *message = json_string(lease, "binding_message");
    user = user != NULL ? user : json_string(lease, "login_hint");
    user = user != NULL ? user : json_string(lease, "approved_by");
    char *count = must_format("%.0f/%.0f", left, uses), *until = clock_text(ends_at);
    char *line = must_format("%-9s %-9s %-19s %-16s %-16s %s", json_string(lease, "id"), count,
                             until, user != NULL ? user : "-", tool != NULL ? tool : "-",
                             message != NULL ? message : "");
    utf8_make_plain(line);
    char *ended = must_format("%s\n", line);
    bool good = output_write(ended, strlen(ended), error);
    free(count);
    free(until);
    free(line);
    free(ended);
    return good;
}

static void tell_unreadable(size_t count, int *status) {
    if (count > 0)
        report_failure(status, STATUS_INPUT, NULL,
                       "%zu of the store's leases cannot be read: they were changed, or written "
                       "with another key",
                       count);
}

static int list(const struct approval_store *store) {
    struct error error = {STATUS_DONE, ""};
    size_t unreadable;
    int status = STATUS_DONE;
    jv leases = lease_list(store, &unreadable, &error);
    bool good = error.status == STATUS_DONE;
    jv_array_foreach(leases, i, lease) {
        good = good && (options.json ? document_write(lease, &error) : print_line(lease, &error));
        jv_free(lease);
    }
    jv_free(leases);
    if (!good)
        report_error(&status, NULL, &error);
    tell_unreadable(unreadable, &status);
    return status;
}

/* Ends the lease with this id, or all for NULL. What has ended has ended, also if it cannot be
 * logged. */
static void end(const struct ledger *ledger, const char *id, int *status) {
    struct error error;
    size_t unreadable = 0;
    jv ended = jv_array();
    if (!lease_end(&ledger->store, id, &ended, &unreadable, &error))
        report_error(status, id, &error);
    else if (id != NULL && jv_array_length(jv_copy(ended)) == 0)
        report_failure(status, STATUS_INPUT, id, "there is no such lease, or it is over");
    if (ledger->audit != NULL && !lease_audit_end(ledger->audit, ended, NULL, &error))
        report_failure(status, error.status, id, "cannot write the audit log: %s", error.text);
    tell_unreadable(id == NULL || jv_array_length(jv_copy(ended)) == 0 ? unreadable : 0, status);
    jv_free(ended);
}

static int work(void *context) {
    const struct job *job = context;
    int status = STATUS_DONE;
    if (!job->ends)
        return list(&job->ledger.store);
    if (options.all)
        end(&job->ledger, NULL, &status);
    for (char *const *id = job->ids; *id != NULL; id++)
        end(&job->ledger, *id, &status);
    return status;
}

static void release(void *context) {
    ledger_free(&((struct job *)context)->ledger);
}

int main(int argc, char **argv) {
    static const struct command_parts parts = {configure, &options.needs, work, release};
    int first = options_parse(&command, argc, argv);
    const char *action = first < argc ? argv[first] : "";
    struct job job = {.ends = strcmp(action, "end") == 0, .ids = argv + first + 1};
    if (!job.ends && strcmp(action, "list") != 0)
        usage_error("'%s' is not list or end", action);
    int ids = argc - first - 1;
    if (job.ends ? (ids > 0) == options.all : options.all || ids > 0)
        usage_error(job.ends ? "end: either the leases' ids are needed, or --all"
                             : "list takes no id, and no --all");
    return command_run(&parts, &job);
}
