/* The error value that the library returns, and the one path to stderr. */
#ifndef CIBA_BASE_ERROR_H
#define CIBA_BASE_ERROR_H

#include "base/memory.h"
#include "base/status.h"

#include <stdbool.h>

/* What went wrong. `text` is for the person who must act: what failed, on what, why, what to do. It
 * has no secrets. It is cut at its size; texts recorded in a document are not. */
struct error {
    int status;
    char text[1000];
};

/* Fills in the error and returns false, so that a function can `return fail(error, ...)`. */
bool fail(struct error *error, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Prints `command: what: why` on stderr as one line; `what` may be NULL. Known secrets are hidden
 * (redact.h). Characters that could control a terminal (controls, bidirectional overrides, broken
 * UTF-8) are shown as '?'. Of why, 2000 bytes are printed, and 500 of what. */
void report(const char *what, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same with all of why, for what a person must read whole. */
void report_whole(const char *what, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same for a failure that affects the exit status: *status becomes the worse of itself and
 * `failure` (status_worse). */
void report_failure(int *status, int failure, const char *what, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The same with the error's text and status. */
void report_error(int *status, const char *what, const struct error *error);

/* Calls `hook` before each diagnostic is printed. */
void before_report(void (*hook)(void));

/* The same, only after verbose_on(). */
void report_verbose(const char *what, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void verbose_on(void);
bool is_verbose(void);

#endif
