/* audit-report: says what was asked, decided and done, from audit logs. */
#include "base/clock.h"
#include "cli/options.h"
#include "cli/run.h"
#include "report/report.h"
#include "report/when.h"
#include "system/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static struct {
    const char *since, *until, *agent, *user, *tool, *outcome, *html;
    bool json, csv;
    struct confinement needs;
} options;

static const struct option_spec option_table[] = {
    {0, "since", "TIME", OPTION_TEXT, &options.since,
     "only what has a line at or after TIME: 2026-11-26, 2026-11-26T10:00:00Z, today, yesterday, "
     "7d"},
    {0, "until", "TIME", OPTION_TEXT, &options.until, "only what has a line before TIME"},
    {0, "agent", "NAME", OPTION_TEXT, &options.agent, "only the calls of this agent"},
    {0, "user", "NAME", OPTION_TEXT, &options.user, "only what this user approved or was asked"},
    {0, "tool", "NAME", OPTION_TEXT, &options.tool, "only the calls of this tool"},
    {0, "outcome", "WORD", OPTION_TEXT, &options.outcome,
     "only calls with this outcome: approved, denied, expired, executed ..."},
    {0, "json", NULL, OPTION_FLAG, &options.json, "print JSON Lines"},
    {0, "csv", NULL, OPTION_FLAG, &options.csv, "print CSV: a line for each call"},
    {0, "html", "FILE", OPTION_TEXT, &options.html, "write a page with plots to FILE"},
    CONFINE_OPTIONS(options.needs),
    {0, NULL, NULL, OPTION_FLAG, NULL, NULL},
};

static const struct command command = {
    "audit-report",
    "[--since TIME] [--until TIME] [--agent NAME] [--user NAME] [--tool NAME]\n"
    "                    [--outcome WORD] [--json | --csv | --html FILE] FILE...",
    "Says what was asked, decided and done, from the audit logs of one machine or several.",
    option_table, false};

struct job {
    struct report report;
    char *const *paths;
    size_t count;
};

static void report_fault(const char *path, unsigned long line, const char *what) {
    char *place = must_format("%s:%lu", path, line);
    report(place, "%s", what);
    free(place);
}

/* Columns of the terminal on stdout; 0 if it is none. */
static size_t terminal_width(void) {
    struct winsize size;
    return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

/* Whether the file is empty, or an earlier page: --html before the names of two logs must not
 * overwrite the first, nor a link of somebody else's something of ours. */
static bool is_page(int fd) {
    static const char begin[] = REPORT_HTML_BEGIN;
    char found[sizeof begin];
    ssize_t size = pread(fd, found, sizeof begin - 1, 0);
    return size == 0 ||
           (size == (ssize_t)sizeof begin - 1 && memcmp(found, begin, sizeof begin - 1) == 0);
}

/* Empties an earlier page. The page has what the log has: it is for the same eyes. */
static bool begin_file(const struct stat *facts, int fd, struct error *error) {
    if (facts->st_uid != geteuid())
        return fail(error, STATUS_USAGE, "--html: %s belongs to another user, who can read it",
                    options.html);
    if (!is_page(fd))
        return fail(error, STATUS_USAGE,
                    "--html: %s has something else than a page of audit-report in it; it is left "
                    "as it is",
                    options.html);
    return ftruncate(fd, 0) == 0 || fail(error, STATUS_IO, "%s: %s", options.html, strerror(errno));
}

static bool open_page(struct report *page, struct error *error) {
    struct stat facts;
    if (options.html == NULL || strcmp(options.html, "-") == 0)
        return true;
    page->path = options.html;
    /* a pipe is not opened for reading: nobody else would have to */
    bool file = stat(options.html, &facts) != 0 || S_ISREG(facts.st_mode);
    page->fd = open(options.html, (file ? O_RDWR : O_WRONLY) | O_CREAT | O_CLOEXEC, 0600);
    if (page->fd < 0 || fstat(page->fd, &facts) != 0)
        return fail(error, STATUS_IO, "%s: %s", options.html, strerror(errno));
    if (logs_have(&page->logs, page->fd))
        return fail(error, STATUS_USAGE, "--html: %s is one of the logs", options.html);
    return !S_ISREG(facts.st_mode) || begin_file(&facts, page->fd, error);
}

static bool configure(void *context, struct error *error) {
    struct job *job = context;
    struct report *page = &job->report;
    double now = clock_now();
    tzset();
    page->calls.since = -INFINITY;
    page->calls.until = INFINITY;
    page->width = terminal_width();
    if ((options.since != NULL &&
         !when_option("--since", options.since, now, &page->calls.since, error)) ||
        (options.until != NULL &&
         !when_option("--until", options.until, now, &page->calls.until, error)))
        return false;
    return logs_open(&page->logs, job->paths, job->count, error) && open_page(page, error);
}

static int work(void *context) {
    struct job *job = context;
    struct error error;
    int status = STATUS_DONE;
    if (!report_make(&job->report, &error))
        report_error(&status, NULL, &error);
    else if (logs_faults(&job->report.logs) > 0)
        status = STATUS_NO;
    return status;
}

static void release(void *context) {
    struct job *job = context;
    report_free(&job->report);
    logs_free(&job->report.logs);
}

int main(int argc, char **argv) {
    static const struct command_parts parts = {configure, &options.needs, work, release};
    int first = options_parse(&command, argc, argv);
    if (first == argc)
        usage_error("the files of the logs are needed");
    if (options.json + options.csv + (options.html != NULL) > 1)
        usage_error("only one of --json, --csv and --html");
    if (options.outcome != NULL && !report_knows_outcome(options.outcome))
        usage_error("--outcome: '%.100s' is not approved, denied, expired, failed, pending, "
                    "not_asked, reused, leased, none, executed, started, unanswered or refused",
                    options.outcome);
    signal(SIGPIPE, SIG_IGN);
    struct job job = {.paths = argv + first, .count = (size_t)(argc - first)};
    job.report = (struct report){.logs = {.fault = report_fault},
                                 .agent = options.agent,
                                 .user = options.user,
                                 .tool = options.tool,
                                 .outcome = options.outcome,
                                 .since = options.since,
                                 .until = options.until,
                                 .fd = STDOUT_FILENO,
                                 .path = "stdout",
                                 .format = options.json           ? &report_json
                                           : options.csv          ? &report_csv
                                           : options.html != NULL ? &report_html
                                                                  : &report_text};
    return command_run(&parts, &job);
}
