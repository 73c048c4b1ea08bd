/* A report on audit logs, as people or programs want it. */
#ifndef CIBA_REPORT_REPORT_H
#define CIBA_REPORT_REPORT_H

#include "base/error.h"
#include "base/text.h"
#include "report/calls.h"
#include "report/logs.h"
#include "report/totals.h"

#include <stdbool.h>

struct report;

/* How a report is written, into `out`. */
struct report_format {
    void (*begin)(struct report *report); /* the logs are verified */
    void (*call)(struct report *report, const struct reported_call *call);
    void (*end)(struct report *report); /* the totals are there, sorted */
};
extern const struct report_format report_text, report_json, report_csv, report_html;

/* With which each page begins. */
#define REPORT_HTML_BEGIN "<!doctype html>\n<html lang=\"en\">\n"

/* The owner sets the first part, and zeroes the rest. */
struct report {
    struct logs logs;
    struct calls calls;                        /* since and until */
    const char *agent, *user, *tool, *outcome; /* only those calls; NULL for any */
    const struct report_format *format;
    int fd;                    /* where it goes */
    const char *path;          /* its name in messages */
    size_t width;              /* columns of the terminal; 0: texts are not cut */
    const char *since, *until; /* as they were given, NULL if not */

    bool has_agent, has_user, has_tool; /* a call of that name in that time, whatever else it is */

    struct totals totals;
    struct text out;
    char **rows; /* of the HTML: the newest, in a ring */
    size_t row_count, row_room;
    bool closed; /* nobody reads it any more */
    struct error error;
};

/* Whether the word is an outcome of a question, or of a call. */
bool report_knows_outcome(const char *word);

/* Verifies the logs, reads them, and writes the report. False and an error: 66 or 74; with status 0
 * if nobody reads it any more. */
bool report_make(struct report *report, struct error *error);

/* Frees all but the logs. */
void report_free(struct report *report);

/* What became of a call, in words; the caller frees. */
char *report_done_text(const struct reported_call *call);

/* Writes what is in `out`, if that is much. */
void report_flush(struct report *report, bool all);

#endif
