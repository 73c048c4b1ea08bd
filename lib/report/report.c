#include "report/report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MUCH = 64 * 1024 };

bool report_knows_outcome(const char *word) {
    for (int i = 0; i < OUTCOMES; i++)
        if (strcmp(word, call_outcome_words[i]) == 0)
            return true;
    for (int i = 0; i < DONE_NOT; i++)
        if (strcmp(word, call_done_words[i]) == 0)
            return true;
    return false;
}

void report_flush(struct report *report, bool all) {
    size_t done = 0;
    if (report->out.size < (all ? 1 : MUCH))
        return;
    while (done < report->out.size && report->error.status == STATUS_DONE && !report->closed) {
        ssize_t put = write(report->fd, report->out.text + done, report->out.size - done);
        if (put < 0 && errno == EPIPE)
            report->closed = true;
        else if (put < 0 && errno != EINTR)
            fail(&report->error, STATUS_IO, "%s: cannot write: %s", report->path, strerror(errno));
        done += put > 0 ? (size_t)put : 0;
    }
    report->out.size = 0;
}

static bool is(const char *wanted, const char *text) {
    return wanted == NULL || strcmp(wanted, text != NULL ? text : "-") == 0;
}

static bool visit(void *context, const struct reported_call *call) {
    struct report *report = context;
    bool agent = is(report->agent, call->text[CALL_AGENT]);
    bool user = is(report->user, call->text[CALL_USER]);
    bool tool = is(report->tool, call->text[CALL_TOOL]);
    report->has_agent = report->has_agent || agent;
    report->has_user = report->has_user || user;
    report->has_tool = report->has_tool || tool;
    if (!agent || !user || !tool ||
        !(is(report->outcome, call_outcome_words[call->outcome]) ||
          is(report->outcome, call_done_words[call->done])))
        return true;
    totals_add(&report->totals, call);
    report->format->call(report, call);
    report_flush(report, false);
    return report->error.status == STATUS_DONE && !report->closed;
}

/* A mistyped name must not pass for one that did nothing. */
static void tell_unknown(const struct report *report, const char *option, const char *name,
                         bool there) {
    bool part = report->since != NULL || report->until != NULL;
    if (name != NULL && !there && !report->closed)
        report_whole(NULL, "%s: '%.200s' has no call in these logs%s", option, name,
                     part ? " in that time" : "");
}

bool report_make(struct report *report, struct error *error) {
    report->error = (struct error){STATUS_DONE, ""};
    if (!logs_verify(&report->logs, error))
        return false;
    report->format->begin(report);
    report->calls.visit = visit;
    report->calls.context = report;
    if (!calls_read(&report->calls, &report->logs, error))
        return false;
    totals_sort(&report->totals);
    if (!report->closed)
        report->format->end(report);
    report_flush(report, true);
    tell_unknown(report, "--agent", report->agent, report->has_agent);
    tell_unknown(report, "--user", report->user, report->has_user);
    tell_unknown(report, "--tool", report->tool, report->has_tool);
    *error = report->error;
    return error->status == STATUS_DONE;
}

void report_free(struct report *report) {
    totals_free(&report->totals);
    free(report->out.text);
    for (size_t i = 0; report->rows != NULL && i < report->row_room; i++)
        free(report->rows[i]);
    free(report->rows);
}
