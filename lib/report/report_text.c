/* Tables for people. */
#include "report/report.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "report/columns.h"
#include "report/when.h"
#include "system/columns.h"

#include <stdlib.h>
#include <string.h>

enum { ROOM_FOR_MESSAGE = 20 };

/* The columns before the message, and how wide they are. */
enum { TIME, AGENT, USER, TOOL, OUTCOME, TOOK, DONE, MESSAGE, CELLS };
static const struct {
    const char *head;
    size_t width;
} cells[CELLS] = {[TIME] = {"TIME", 19}, [AGENT] = {"AGENT", 14},    [USER] = {"USER", 16},
                  [TOOL] = {"TOOL", 14}, [OUTCOME] = {"OUTCOME", 9}, [TOOK] = {"TOOK", 9},
                  [DONE] = {"DONE", 21}, [MESSAGE] = {"MESSAGE", 0}};

/* Adds a text in that many columns; `cut` if it may not take more. */
static void add_cell(struct text *to, const char *string, size_t width, bool cut, bool padded) {
    char *text = must_copy(string != NULL && *string != '\0' ? string : "-");
    utf8_make_plain(text);
    if (cut && width > 0)
        columns_cut(text, width);
    columns_pad(to, text, padded ? width : 0);
    free(text);
}

static void add_row(struct report *report, const char *const texts[CELLS]) {
    bool cut = report->width > 0;
    size_t used = 0;
    for (int i = 0; i < MESSAGE; i++) {
        add_cell(&report->out, texts[i], cells[i].width, cut, true);
        text_add_string(&report->out, " ");
        used += cells[i].width + 1;
    }
    size_t left = report->width > used + ROOM_FOR_MESSAGE ? report->width - used : ROOM_FOR_MESSAGE;
    add_cell(&report->out, texts[MESSAGE], left, cut, false);
    text_add_string(&report->out, "\n");
}

static void add_log(struct text *to, const struct log_file *file) {
    const struct audit_summary *summary = &file->summary;
    char *path = must_copy(file->path);
    char *before = must_copy(file->before != NULL ? file->before->path : "");
    utf8_make_plain(path);
    utf8_make_plain(before);
    text_add_format(to, "%s: %lu %s", path, summary->lines, summary->lines == 1 ? "line" : "lines");
    if (summary->faults > 0)
        text_add_format(to, ", NOT WHOLE: %lu changed, removed or moved", summary->faults);
    else
        text_add_string(to, ", whole");
    if (file->before != NULL)
        text_add_format(to, ", goes on from %s", before);
    else if (file->first_previous != NULL)
        text_add_format(to,
                        ", begins with line %.0f: those before it are not given, or were removed",
                        file->first_number);
    text_add_string(to, "\n");
    free(path);
    free(before);
}

static void begin(struct report *report) {
    const char *heads[CELLS];
    for (size_t i = 0; i < report->logs.count; i++)
        add_log(&report->out, &report->logs.files[i]);
    for (int i = 0; i < CELLS; i++)
        heads[i] = cells[i].head;
    text_add_string(&report->out, "\n");
    add_row(report, heads);
}

/* What was executed: how, with which status, which order. The caller frees. */
char *report_done_text(const struct reported_call *call) {
    struct text text = {0};
    text_add_string(&text, call_done_words[call->done]);
    if (call->done != DONE_NOT && call->has_status)
        text_add_format(&text, " %.15g", call->status);
    if (call->done != DONE_NOT && call->text[CALL_ORDER] != NULL)
        text_add_format(&text, " %s", call->text[CALL_ORDER]);
    if (!call->whole)
        text_add_string(&text, " NOT WHOLE");
    return text.text;
}

static void call_row(struct report *report, const struct reported_call *call) {
    char time[WHEN_TIME];
    struct text took = {0};
    char *done = report_done_text(call);
    when_text(call->first, time, sizeof time);
    add_seconds(&took, call->seconds);
    const char *message = call->text[CALL_MESSAGE], *error = call->text[CALL_ERROR];
    char *words =
        must_format("%s%s%s", message != NULL ? message : "",
                    message != NULL && error != NULL ? "; " : "", error != NULL ? error : "");
    const char *const texts[CELLS] = {[TIME] = time,
                                      [AGENT] = call->text[CALL_AGENT],
                                      [USER] = call->text[CALL_USER],
                                      [TOOL] = call->text[CALL_TOOL],
                                      [OUTCOME] = call_outcome_words[call->outcome],
                                      [TOOK] = took.text,
                                      [DONE] = done,
                                      [MESSAGE] = words};
    add_row(report, texts);
    free(words);
    free(done);
    free(took.text);
}

static void add_rate(struct text *to, double rate) {
    if (rate < 0)
        text_add_string(to, "     -");
    else
        text_add_format(to, "%4.0f %%", 100 * rate);
}

static void add_group(struct text *to, const struct group *group, bool cut) {
    struct text median = {0}, most = {0};
    add_seconds(&median, times_part(&group->times, 0.5));
    add_seconds(&most, times_part(&group->times, 0.95));
    add_cell(to, group->name != NULL ? group->name : "all", 24, cut, true);
    text_add_format(to, " %8lu %8lu %8lu %8lu ", group->calls, group->outcomes[OUTCOME_APPROVED],
                    group->outcomes[OUTCOME_DENIED], group->outcomes[OUTCOME_EXPIRED]);
    add_rate(to, group_rate(group));
    text_add_format(to, " %10s %10s %8lu\n", median.text, most.text, group->done[DONE_EXECUTED]);
    free(median.text);
    free(most.text);
}

static void add_groups(struct report *report, const char *head, const struct group *groups,
                       size_t count) {
    char *upper = must_copy(head);
    for (char *at = upper; *at != '\0'; at++)
        *at = (char)(*at >= 'a' && *at <= 'z' ? *at - 'a' + 'A' : *at);
    text_add_format(&report->out, "\n%-24s %8s %8s %8s %8s %6s %10s %10s %8s\n", upper, "CALLS",
                    "APPROVED", "DENIED", "EXPIRED", "RATE", "MEDIAN", "95 %", "EXECUTED");
    for (size_t i = 0; i < count; i++)
        add_group(&report->out, &groups[i], report->width > 0);
    free(upper);
}

/* All outcomes that there were. */
static void add_outcomes(struct report *report) {
    const struct group *all = &report->totals.all;
    struct text *to = &report->out;
    text_add_format(to, "\n%lu %s", all->calls, all->calls == 1 ? "call" : "calls");
    for (int i = 0; i < OUTCOMES; i++)
        if (all->outcomes[i] > 0)
            text_add_format(to, ", %lu %s", all->outcomes[i],
                            i == OUTCOME_NONE ? "without a question" : call_outcome_words[i]);
    for (int i = 0; i < DONE_NOT; i++)
        if (all->done[i] > 0)
            text_add_format(to, "%s%lu %s", i == 0 || all->done[0] == 0 ? "; " : ", ", all->done[i],
                            call_done_words[i]);
    text_add_string(to, "\n");
}

static void end(struct report *report) {
    struct totals *totals = &report->totals;
    add_outcomes(report);
    if (totals->all.calls == 0)
        return;
    add_groups(report, "", &totals->all, 1);
    for (int kind = 0; kind < GROUP_KINDS; kind++)
        add_groups(report, group_kind_words[kind], totals->by[kind].groups, totals->by[kind].count);
}

const struct report_format report_text = {begin, call_row, end};
