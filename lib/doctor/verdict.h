/* The output of ciba-doctor: a line for each check. */
#ifndef CIBA_DOCTOR_VERDICT_H
#define CIBA_DOCTOR_VERDICT_H

#include <stdbool.h>

/* Prints "ok", "-" for a skipped check, or "FAIL", then the name of the check and, if the text is
 * not empty, why or what to do. Removes characters that control a terminal and known secrets
 * (redact.h). */
void verdict_ok(const char *what, const char *format, ...) __attribute__((format(printf, 2, 3)));
void verdict_left_out(const char *what, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Returns false, so that a check can `return verdict_fail(...)`. */
bool verdict_fail(int status, const char *what, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The exit status for all verdicts so far. */
int verdict_status(void);

#endif
