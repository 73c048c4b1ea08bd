#include "doctor/verdict.h"

#include "base/redact.h"
#include "base/utf8.h"
#include "document/reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int status_so_far = STATUS_DONE;

static void print(const char *verdict, const char *what, const char *format, va_list list)
    __attribute__((format(printf, 3, 0)));

static void print(const char *verdict, const char *what, const char *format, va_list list) {
    struct error error;
    char why[1200];
    vsnprintf(why, sizeof why, format, list);
    redact_text(why);
    utf8_make_plain(why);
    char *line = must_format("%-4s %s%s%s\n", verdict, what, *why ? ": " : "", why);
    if (!output_write(line, strlen(line), &error))
        status_so_far = status_worse(status_so_far, error.status);
    free(line);
}

void verdict_ok(const char *what, const char *format, ...) {
    va_list list;
    va_start(list, format);
    print("ok", what, format, list);
    va_end(list);
}

void verdict_left_out(const char *what, const char *format, ...) {
    va_list list;
    va_start(list, format);
    print("-", what, format, list);
    va_end(list);
}

bool verdict_fail(int status, const char *what, const char *format, ...) {
    va_list list;
    va_start(list, format);
    print("FAIL", what, format, list);
    va_end(list);
    status_so_far = status_worse(status_so_far, status);
    return false;
}

int verdict_status(void) {
    return status_so_far;
}
