#include "base/error.h"

#include "base/program_name.h"
#include "base/redact.h"
#include "base/utf8.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool verbose;
static void (*hook_before_report)(void);

bool fail(struct error *error, int status, const char *format, ...) {
    va_list list;
    va_start(list, format);
    error->status = status;
    vsnprintf(error->text, sizeof error->text, format, list);
    va_end(list);
    return false;
}

enum { REPORT_LIMIT = 2000 };

static void print_line(const char *what, size_t limit, const char *format, va_list list)
    __attribute__((format(printf, 3, 0)));

/* `limit`: of what is formatted, in bytes. */
static void print_line(const char *what, size_t limit, const char *format, va_list list) {
    va_list again;
    va_copy(again, list);
    int all = vsnprintf(NULL, 0, format, again);
    va_end(again);
    size_t room = all < 0 ? 1 : (size_t)all < limit ? (size_t)all + 1 : limit + 1;
    char *why = must_alloc(room);
    *why = '\0';
    vsnprintf(why, room, format, list);
    char *line = what != NULL ? must_format("%s: %.500s: %s", program_name(), what, why)
                              : must_format("%s: %s", program_name(), why);
    redact_text(line);
    utf8_make_plain(line);
    size_t size = strlen(line); /* the newline stands where the 0 byte did */
    line[size++] = '\n';
    if (hook_before_report != NULL)
        hook_before_report();
    /* One write, so that lines from a pipeline's commands do not mix. */
    (void)(write(STDERR_FILENO, line, size) < 0);
    free(why);
    free(line);
}

void before_report(void (*hook)(void)) {
    hook_before_report = hook;
}

void report(const char *what, const char *format, ...) {
    va_list list;
    va_start(list, format);
    print_line(what, REPORT_LIMIT, format, list);
    va_end(list);
}

void report_whole(const char *what, const char *format, ...) {
    va_list list;
    va_start(list, format);
    print_line(what, INT_MAX - 1, format, list);
    va_end(list);
}

void report_failure(int *status, int failure, const char *what, const char *format, ...) {
    va_list list;
    va_start(list, format);
    print_line(what, REPORT_LIMIT, format, list);
    va_end(list);
    *status = status_worse(*status, failure);
}

void report_error(int *status, const char *what, const struct error *error) {
    report_failure(status, error->status, what, "%s", error->text);
}

void report_verbose(const char *what, const char *format, ...) {
    if (!verbose)
        return;
    va_list list;
    va_start(list, format);
    print_line(what, REPORT_LIMIT, format, list);
    va_end(list);
}

void verbose_on(void) {
    verbose = true;
}

bool is_verbose(void) {
    return verbose;
}
