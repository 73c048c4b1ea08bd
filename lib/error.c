#include "error.h"

#include "utf8.h"

#include <jv.h>
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

static const char *name = "ciba-tools";
static bool verbose;
static void (*hook_before_complaint)(void);

int status_worse(int first, int second) {
    static const int rank[] = {STATUS_DONE, STATUS_NO, STATUS_NOT_YET};
    size_t ranks = sizeof rank / sizeof *rank, a = 0, b = 0;
    while (a < ranks && rank[a] != first)
        a++;
    while (b < ranks && rank[b] != second)
        b++;
    return b > a ? second : first;
}

bool fail(struct error *error, int status, const char *format, ...) {
    va_list list;
    va_start(list, format);
    error->status = status;
    vsnprintf(error->text, sizeof error->text, format, list);
    va_end(list);
    return false;
}

static void no_core_dump(void) {
#if defined(__linux__) && !defined(SANITIZED)
    /* Not RLIMIT_CORE: that would be inherited by the programs that a command starts. */
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

/* Without what OpenSSL does at an exit, which is to free, piece by piece, what ends with the
 * process. Its file of settings is the distribution's, as the library is; who is linked statically
 * reads only the one that is named. */
static void start_openssl(void) {
    uint64_t without = 0;
#ifndef SANITIZED /* which would call it a leak */
    without |= OPENSSL_INIT_NO_ATEXIT;
#endif
#ifdef STATIC
    if (getenv("OPENSSL_CONF") == NULL)
        without |= OPENSSL_INIT_NO_LOAD_CONFIG;
#endif
    OPENSSL_init_crypto(without, NULL);
}

void program_start(const char *program) {
    name = program;
    no_core_dump();
    start_openssl();
    jv_nomem_handler(out_of_memory_in, NULL); /* it would abort */
}

const char *program_name(void) {
    return name;
}

static void print_line(const char *what, const char *format, va_list list)
    __attribute__((format(printf, 2, 0)));

static void print_line(const char *what, const char *format, va_list list) {
    char why[2000], line[2600];
    vsnprintf(why, sizeof why, format, list);
    if (what != NULL)
        snprintf(line, sizeof line - 1, "%s: %.500s: %s", name, what, why);
    else
        snprintf(line, sizeof line - 1, "%s: %s", name, why);
    utf8_make_plain(line);
    size_t size = strlen(line);
    line[size++] = '\n';
    if (hook_before_complaint != NULL)
        hook_before_complaint();
    /* One write, so that the lines of a pipeline's commands do not mix. */
    if (write(STDERR_FILENO, line, size) < 0)
        return;
}

void before_complaint(void (*hook)(void)) {
    hook_before_complaint = hook;
}

void complain(const char *what, const char *format, ...) {
    va_list list;
    va_start(list, format);
    print_line(what, format, list);
    va_end(list);
}

void remark(const char *what, const char *format, ...) {
    if (!verbose)
        return;
    va_list list;
    va_start(list, format);
    print_line(what, format, list);
    va_end(list);
}

void verbose_on(void) {
    verbose = true;
}

bool is_verbose(void) {
    return verbose;
}

void out_of_memory(void) {
    complain(NULL, "out of memory");
    _exit(STATUS_INTERNAL); /* what exit would call allocates */
}

void out_of_memory_in(void *library) {
    (void)library;
    out_of_memory();
}

void *must_alloc(unsigned long bytes) {
    void *memory = calloc(1, bytes);
    if (memory == NULL)
        out_of_memory();
    return memory;
}

void *must_grow(void *memory, unsigned long bytes) {
    void *grown = realloc(memory, bytes);
    if (grown == NULL)
        out_of_memory();
    return grown;
}

char *must_copy(const char *text) {
    char *copy = strdup(text);
    if (copy == NULL)
        out_of_memory();
    return copy;
}

char *must_format(const char *format, ...) {
    va_list list;
    va_start(list, format);
    int size = vsnprintf(NULL, 0, format, list);
    va_end(list);
    if (size < 0)
        out_of_memory();
    char *text = must_alloc((size_t)size + 1);
    va_start(list, format);
    vsnprintf(text, (size_t)size + 1, format, list);
    va_end(list);
    return text;
}
