/* Audit logs of one machine or several, verified, and then read as one, by time. */
#ifndef CIBA_REPORT_LOGS_H
#define CIBA_REPORT_LOGS_H

#include "approval/audit_chain.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { LOG_FAULTS_TOLD = 10 /* of each file; the rest is counted */ };

/* A file of a log. */
struct log_file {
    const char *path;
    int fd;
    struct audit_summary summary; /* of the whole file, by itself */
    dev_t device;
    ino_t inode;
    unsigned long long size; /* so many bytes were verified */
    char *first_previous;    /* the digest that its first line follows; NULL for none */
    double first_number;
    struct log_file *before, *after; /* the files that go before it and after it in its chain */
    /* Where it is read a second time. */
    struct audit_reader reader;
    struct audit_summary again;
    struct audit_line line;
    double time;   /* of the line */
    double order;  /* the same, but never before that of an earlier line */
    bool faulty;   /* the line is not as it was written, or not in its place */
    bool has_line; /* there is one */
};

struct logs {
    struct log_file *files;
    size_t count;
    struct log_file *given; /* the file of the line that was given out */
    void (*fault)(const char *path, unsigned long line, const char *what); /* told of each */
};

/* Opens the files, before the process gives up rights; "-" is standard input. What is no regular
 * file is copied first (logs_verify), because it is read twice. False and an error: 66, or 74
 * without a temporary file for that. */
bool logs_open(struct logs *logs, char *const *paths, size_t count, struct error *error);
void logs_free(struct logs *logs);

/* Whether the open file is one of these. */
bool logs_have(const struct logs *logs, int fd);

/* Verifies each, and finds which follows which. False and an error: 66 or 74. */
bool logs_verify(struct logs *logs, struct error *error);

/* Lines that were changed, removed or moved, in all files. */
unsigned long logs_faults(const struct logs *logs);

/* After logs_verify: the file with the next line, by time; lines of one chain stay in their order,
 * whatever their clock did. NULL at the end, or with an error with status 66. Lines that are none
 * are left out. */
const struct log_file *logs_next(struct logs *logs, struct error *error);

#endif
