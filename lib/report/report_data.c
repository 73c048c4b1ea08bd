/* JSON Lines and CSV for programs. */
#include "report/report.h"

#include "report/columns.h"

static void json_logs(struct report *report) {
    struct text *to = &report->out;
    for (size_t i = 0; i < report->logs.count; i++) {
        const struct log_file *file = &report->logs.files[i];
        text_add_string(to, "{\"kind\":\"log\",\"file\":");
        add_json_string(to, file->path);
        text_add_format(to,
                        ",\"lines\":%lu,\"faults\":%lu,\"whole\":%s,\"first\":%.0f,\"follows\":",
                        file->summary.lines, file->summary.faults,
                        file->summary.faults == 0 ? "true" : "false", file->first_number);
        if (file->before != NULL)
            add_json_string(to, file->before->path);
        else
            text_add_string(to, "null");
        text_add_string(to, "}\n");
    }
}

static void json_call(struct report *report, const struct reported_call *call) {
    text_add_string(&report->out, "{\"kind\":\"call\",");
    columns_add_json(&report->out, call);
    text_add_string(&report->out, "}\n");
}

static void add_number(struct text *to, const char *name, double number) {
    if (number < 0)
        text_add_format(to, ",\"%s\":null", name);
    else
        text_add_format(to, ",\"%s\":%.15g", name, number);
}

static void json_group(struct text *to, const char *by, const struct group *group) {
    text_add_format(to, "{\"kind\":\"total\",\"by\":\"%s\",\"name\":", by);
    if (group->name != NULL)
        add_json_string(to, group->name);
    else
        text_add_string(to, "null");
    text_add_format(to, ",\"calls\":%lu,\"outcomes\":{", group->calls);
    for (int i = 0; i < OUTCOMES; i++)
        text_add_format(to, "%s\"%s\":%lu", i > 0 ? "," : "", call_outcome_words[i],
                        group->outcomes[i]);
    text_add_string(to, "},\"done\":{");
    for (int i = 0; i < DONE_NOT; i++)
        text_add_format(to, "%s\"%s\":%lu", i > 0 ? "," : "", call_done_words[i], group->done[i]);
    text_add_string(to, "}");
    add_number(to, "approval_rate", group_rate(group));
    add_number(to, "seconds_median", times_part(&group->times, 0.5));
    add_number(to, "seconds_95", times_part(&group->times, 0.95));
    text_add_string(to, "}\n");
}

static void json_totals(struct report *report) {
    const struct totals *totals = &report->totals;
    json_group(&report->out, "all", &totals->all);
    for (int kind = 0; kind < GROUP_KINDS; kind++)
        for (size_t i = 0; i < totals->by[kind].count; i++)
            json_group(&report->out, group_kind_words[kind], &totals->by[kind].groups[i]);
}

const struct report_format report_json = {json_logs, json_call, json_totals};

static void csv_heads(struct report *report) {
    for (size_t i = 0; i < columns_count(); i++)
        text_add_format(&report->out, "%s%s", i > 0 ? "," : "", column_name(i));
    text_add_string(&report->out, "\r\n");
}

static void csv_call(struct report *report, const struct reported_call *call) {
    for (size_t i = 0; i < columns_count(); i++) {
        struct cell cell = column_cell(i, call);
        text_add_string(&report->out, i > 0 ? "," : "");
        add_csv_cell(&report->out, &cell);
    }
    text_add_string(&report->out, "\r\n");
}

static void csv_end(struct report *report) {
    (void)report; /* a program adds up as it likes */
}

const struct report_format report_csv = {csv_heads, csv_call, csv_end};
