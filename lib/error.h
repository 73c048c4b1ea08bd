/* Exit statuses, the error value that the library returns, and the one path to stderr. */
#ifndef CIBA_ERROR_H
#define CIBA_ERROR_H

#include <stdbool.h>

/* A build for finding faults; gcc says so of itself, clang is told by -D. */
#if defined(__SANITIZE_ADDRESS__) && !defined(SANITIZED)
#define SANITIZED
#endif

/* The exit statuses of every command: 0, 1, and those of sysexits(3). */
enum {
    STATUS_DONE = 0,
    STATUS_NO = 1,           /* the user denied, or did not answer in time */
    STATUS_USAGE = 64,       /* wrong options */
    STATUS_INPUT = 65,       /* a document or an answer that is not what it must be */
    STATUS_NO_FILE = 66,     /* a file named in an option cannot be read */
    STATUS_UNAVAILABLE = 69, /* a server cannot be reached, or says that it cannot now */
    STATUS_INTERNAL = 70,    /* out of memory, or a defect */
    STATUS_IO = 74,          /* reading stdin or writing stdout failed */
    STATUS_NOT_YET = 75,     /* pending: run again later */
    STATUS_PROTOCOL = 76,    /* the server broke the protocol */
    STATUS_REFUSED = 77,     /* the client's authentication or permission was refused */
    STATUS_CONFIG = 78       /* a setting is missing or wrong */
};

/* The worse of two exit statuses, which is the status of a stream with both: done, then no, then
 * not yet, then any error; of two errors the first. */
int status_worse(int first, int second);

/* What went wrong. `text` is for the person who must act: what failed, on what, why, what to do;
 * no secret. It is cut at its size, never on what is recorded in a document. */
struct error {
    int status;
    char text[1000];
};

/* Fills in the error and returns false, so that a function can `return fail(error, ...)`. */
bool fail(struct error *error, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Must be called first in main: names the command in every diagnostic, keeps core dumps of this
 * process from being written (not under a sanitizer, which needs to look at it). */
void program_start(const char *name);

/* The name given to program_start. */
const char *program_name(void);

/* Prints `command: what: why` on stderr as one line; `what` may be NULL. Characters that could
 * steer a terminal (controls, bidirectional overrides, broken UTF-8) are shown as '?'. */
void complain(const char *what, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Has `hook` called before each diagnostic is printed. */
void before_complaint(void (*hook)(void));

/* The same, only after verbose_on(). */
void remark(const char *what, const char *format, ...) __attribute__((format(printf, 2, 3)));
void verbose_on(void);
bool is_verbose(void);

/* Ends the process with status 70 and a message: for allocations that cannot fail sensibly. */
_Noreturn void out_of_memory(void);

/* The same, as libjq's handler, which program_start has set; jq_init sets another. */
void out_of_memory_in(void *library);

/* malloc, realloc, strdup and printf-to-memory that do not return NULL. The caller frees. */
void *must_alloc(unsigned long bytes);
void *must_grow(void *memory, unsigned long bytes);
char *must_copy(const char *text);
char *must_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
