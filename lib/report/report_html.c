/* One HTML page, without a script and without anything from elsewhere. */
#include "report/report.h"

#include "base/clock.h"
#include "base/memory.h"
#include "report/columns.h"
#include "report/plot.h"
#include "report/when.h"

#include <stdlib.h>
#include <string.h>

enum { ROWS_LIMIT = 1000 /* calls in the page's table, the newest */ };

static const char page_head[] = REPORT_HTML_BEGIN
    "<head>\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
    "'unsafe-inline'\">\n"
    "<meta name=\"color-scheme\" content=\"light dark\">\n<title>Approvals</title>\n<style>\n"
    ":root{--back:#fff;--text:#1c1e21;--soft:#5d6470;--line:#d8dce2;--yes:#2e7d4f;--again:#7fb894;"
    "--no:#b3372f;--late:#c98a1b;--other:#8a93a0;--time:#3a6ea5}\n"
    "@media (prefers-color-scheme:dark){:root{--back:#15171a;--text:#e6e8eb;--soft:#a3abb7;"
    "--line:#3a3f47;--yes:#4caf78;--again:#9bd3b0;--no:#e5736b;--late:#e0ad4e;--other:#8a93a0;"
    "--time:#7aabdc}}\n"
    "@media print{:root{--back:#fff;--text:#000;--soft:#333;--line:#bbb}section{break-inside:avoid}"
    "section.long{break-inside:auto}.wide{overflow:visible!important}body{max-width:none}}\n"
    "body{font:16px/1.45 system-ui,sans-serif;background:var(--back);color:var(--text);"
    "max-width:70rem;margin:0 auto;padding:1rem}\n"
    "h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}p,li{overflow-wrap:anywhere}\n"
    ".bad{color:var(--no);font-weight:bold}.soft,.legend{color:var(--soft)}\n"
    ".tiles{display:flex;flex-wrap:wrap;gap:.5rem 2rem;padding:0;list-style:none}"
    ".tiles b{display:block;font-size:1.5rem}\n"
    ".wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.9rem}"
    "th,td{text-align:left;vertical-align:top;padding:.25rem .6rem .25rem 0;"
    "border-bottom:1px solid "
    "var(--line);overflow-wrap:break-word;max-width:24rem}td.n,th.n{text-align:right;"
    "white-space:nowrap}td.t{white-space:nowrap}td.m{min-width:14rem}\n"
    "svg{width:100%;min-width:34rem;height:auto}svg text{font-size:11px;fill:var(--soft)}"
    ".grid{stroke:var(--line)}.legend span{white-space:nowrap;margin-right:1rem}"
    ".legend i{display:inline-block;width:.8em;height:.8em;margin-right:.4em}\n"
    ".yes{fill:var(--yes);background:var(--yes)}.again{fill:var(--again);background:var(--again)}"
    ".no{fill:var(--no);background:var(--no)}.late{fill:var(--late);background:var(--late)}"
    ".other{fill:var(--other);background:var(--other)}.time{fill:var(--time)}\n"
    "</style>\n</head>\n<body>\n<h1>Approvals</h1>\n";

static void begin(struct report *report) {
    (void)report; /* the totals come first */
}

static void add_cell(struct text *to, const char *class, const char *text) {
    text_add_format(to, "<td class=\"%s\"><bdi>", class);
    add_html(to, text != NULL ? text : "-");
    text_add_string(to, "</bdi></td>");
}

/* Keeps the row of a call, for the newest. */
static void call_row(struct report *report, const struct reported_call *call) {
    char time[WHEN_TIME];
    struct text row = {0}, took = {0};
    char *done = report_done_text(call);
    when_text(call->first, time, sizeof time);
    add_seconds(&took, call->seconds);
    text_add_string(&row, "<tr>");
    add_cell(&row, "t", time);
    add_cell(&row, "", call->text[CALL_AGENT]);
    add_cell(&row, "", call->text[CALL_USER]);
    add_cell(&row, "", call->text[CALL_TOOL]);
    add_cell(&row, "m", call->text[CALL_MESSAGE]);
    add_cell(&row, "", call_outcome_words[call->outcome]);
    add_cell(&row, "n", took.text);
    add_cell(&row, call->whole ? "" : "bad", done);
    add_cell(&row, "", call->text[CALL_ERROR]);
    text_add_string(&row, "</tr>\n");
    if (report->rows == NULL) {
        report->row_room = ROWS_LIMIT;
        report->rows = must_alloc(ROWS_LIMIT * sizeof *report->rows);
        memset(report->rows, 0, ROWS_LIMIT * sizeof *report->rows);
    }
    char **place = &report->rows[report->row_count++ % ROWS_LIMIT];
    free(*place);
    *place = row.text;
    free(done);
    free(took.text);
}

static void add_logs(struct report *report) {
    struct text *to = &report->out;
    text_add_string(to, "<ul>\n");
    for (size_t i = 0; i < report->logs.count; i++) {
        const struct log_file *file = &report->logs.files[i];
        unsigned long faults = file->summary.faults;
        text_add_string(to, faults > 0 ? "<li class=\"bad\">" : "<li>");
        add_html(to, file->path);
        text_add_format(to, ": %lu lines, ", file->summary.lines);
        if (faults > 0)
            text_add_format(to, "not whole: %lu changed, removed or moved", faults);
        else
            text_add_string(to, "whole");
        if (file->before == NULL && file->first_previous != NULL)
            text_add_format(to, "; begins with line %.0f", file->first_number);
        text_add_string(to, "</li>\n");
    }
    text_add_string(to, "</ul>\n");
}

static void add_filter(struct text *to, const char *name, const char *value) {
    if (value == NULL)
        return;
    text_add_format(to, "%s ", name);
    add_html(to, value);
    text_add_string(to, "; ");
}

static void add_scope(struct report *report) {
    char now[WHEN_TIME];
    struct text *to = &report->out;
    when_text(clock_now(), now, sizeof now);
    text_add_string(to, "<p class=\"soft\">");
    add_filter(to, "since", report->since);
    add_filter(to, "until", report->until);
    add_filter(to, "agent", report->agent);
    add_filter(to, "user", report->user);
    add_filter(to, "tool", report->tool);
    add_filter(to, "outcome", report->outcome);
    text_add_format(to, "made %s, local time</p>\n", now);
}

static void add_tiles(struct report *report) {
    const struct group *all = &report->totals.all;
    struct text *to = &report->out;
    double rate = group_rate(all);
    text_add_format(to, "<ul class=\"tiles\"><li><b>%lu</b>calls</li>", all->calls);
    for (int i = 0; i < OUTCOMES; i++)
        if (all->outcomes[i] > 0)
            text_add_format(to, "<li><b>%lu</b>%s</li>", all->outcomes[i],
                            i == OUTCOME_NONE ? "without a question" : call_outcome_words[i]);
    if (rate >= 0)
        text_add_format(to, "<li><b>%.0f %%</b>of answers are yes</li>", 100 * rate);
    text_add_string(to, "<li><b>");
    add_seconds(to, times_part(&all->times, 0.5));
    text_add_string(to, "</b>median to answer</li><li><b>");
    add_seconds(to, times_part(&all->times, 0.95));
    text_add_string(to, "</b>95 % answer within</li></ul>\n");
}

static void add_group(struct text *to, const struct group *group) {
    double rate = group_rate(group);
    text_add_string(to, "<tr>");
    add_cell(to, "", group->name);
    text_add_format(to,
                    "<td class=\"n\">%lu</td><td class=\"n\">%lu</td><td class=\"n\">%lu</td>"
                    "<td class=\"n\">%lu</td><td class=\"n\">",
                    group->calls, group->outcomes[OUTCOME_APPROVED],
                    group->outcomes[OUTCOME_DENIED], group->outcomes[OUTCOME_EXPIRED]);
    if (rate >= 0)
        text_add_format(to, "%.0f %%", 100 * rate);
    text_add_string(to, "</td><td class=\"n\">");
    add_seconds(to, times_part(&group->times, 0.5));
    text_add_string(to, "</td><td class=\"n\">");
    add_seconds(to, times_part(&group->times, 0.95));
    text_add_string(to, "</td></tr>\n");
}

static void add_groups(struct text *to, const char *word, const struct groups *groups) {
    text_add_format(
        to,
        "<section><h2>By %s</h2>\n<div class=\"wide\"><table><thead><tr><th>%s</th>"
        "<th class=\"n\">calls</th><th class=\"n\">approved</th><th class=\"n\">denied</th>"
        "<th class=\"n\">expired</th><th class=\"n\">rate</th><th class=\"n\">median</th>"
        "<th class=\"n\">95 %%</th></tr></thead><tbody>\n",
        word, word);
    for (size_t i = 0; i < groups->count; i++)
        add_group(to, &groups->groups[i]);
    text_add_string(to, "</tbody></table></div></section>\n");
}

static void add_rows(struct report *report) {
    struct text *to = &report->out;
    size_t left_out = report->row_count > ROWS_LIMIT ? report->row_count - ROWS_LIMIT : 0;
    text_add_string(to, "<section class=\"long\"><h2>Calls</h2>\n");
    if (left_out > 0)
        text_add_format(to, "<p>The newest %d of %zu.</p>\n", ROWS_LIMIT, report->row_count);
    text_add_string(to, "<div class=\"wide\"><table><thead><tr><th>time</th><th>agent</th>"
                        "<th>user</th><th>tool</th><th>message</th><th>outcome</th>"
                        "<th class=\"n\">took</th><th>done</th><th>error</th></tr></thead><tbody>"
                        "\n");
    for (size_t i = left_out; i < report->row_count; i++)
        text_add_string(to, report->rows[i % ROWS_LIMIT]);
    text_add_string(to, "</tbody></table></div></section>\n");
}

static void end(struct report *report) {
    struct text *to = &report->out;
    struct totals *totals = &report->totals;
    text_add_string(to, page_head);
    add_scope(report);
    add_logs(report);
    add_tiles(report);
    if (totals->all.calls > 0) {
        text_add_string(to, "<section><h2>Calls by day</h2>\n");
        plot_days(to, &totals->by[BY_DAY]);
        text_add_string(to, "</section>\n<section><h2>Time to answer</h2>\n");
        plot_times(to, &totals->all.times);
        text_add_string(to, "</section>\n");
        for (int kind = BY_TOOL; kind < GROUP_KINDS; kind++)
            add_groups(to, group_kind_words[kind], &totals->by[kind]);
        add_rows(report);
    }
    text_add_string(to, "</body>\n</html>\n");
}

const struct report_format report_html = {begin, call_row, end};
