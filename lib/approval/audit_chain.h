/* Reads an audit log (audit.h), and finds what was changed, removed or moved in it. */
#ifndef CIBA_APPROVAL_AUDIT_CHAIN_H
#define CIBA_APPROVAL_AUDIT_CHAIN_H

#include "approval/audit_line.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* A longer line is one fault, and is not read into memory. */
enum { AUDIT_LINE_LIMIT = 64 * 1024 * 1024 };

/* Reads lines from a descriptor, which stays its owner's. Zeroed but for `fd` and `left` before the
 * first. */
struct audit_reader {
    int fd;
    unsigned long long left; /* so many bytes are read at most */
    char *buffer;
    size_t start, end, room;
    bool ended;
};

/* The next line, with its newline unless the file ends without one; valid until the next call.
 * False at the end, or with an error with status 66; `path` is the file's name in it. *line is NULL
 * for a line that is too long. */
bool audit_reader_next(struct audit_reader *reader, const char *path, const char **line,
                       size_t *size, struct error *error);
void audit_reader_free(struct audit_reader *reader);

/* Of all files of a log, read from the earliest; zeroed before the first. */
struct audit_summary {
    unsigned long lines, faults;
    char *head; /* digest of the last line, NULL without lines; set it beforehand to the digest that
                   the first line must follow. The caller frees. */
    double last;     /* number of the last line */
    bool may_follow; /* the first line may follow any other: it is an excerpt */
    bool saw_wanted;
};

/* Goes on with a line (`size` bytes, with its newline; NULL for one that is too long), and sets
 * *read to what is in it, or to no members if that is not known. Returns what is wrong with it,
 * NULL for nothing. `wanted` is a digest that some line must have, or NULL. */
const char *audit_chain_next(struct audit_summary *summary, const char *line, size_t size,
                             const char *wanted, struct audit_line *read);

/* Reads a file of the log and calls `fault` for each line that was changed, removed or moved, with
 * its place in the file. False and an error with status 66 if it cannot be read; `path` is its name
 * in messages. */
bool audit_verify(int fd, const char *path, const char *wanted,
                  void (*fault)(const char *path, unsigned long line, const char *what),
                  struct audit_summary *summary, struct error *error);

#endif
