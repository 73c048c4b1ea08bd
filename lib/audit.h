/* The audit log: a file of JSON lines, one for each thing that was asked, decided or executed, each
 * chained to the one before by SHA-256. A line ends in `,"digest":"sha-256:…"}`: the digest of the
 * line's bytes up to that comma, among which is `previous`, the digest of the line before. */
#ifndef CIBA_AUDIT_H
#define CIBA_AUDIT_H

#include "error.h"

#include <jv.h>
#include <stdbool.h>

/* Appends the record, an object that is taken, with n (the line's number), time (RFC 3339, UTC),
 * command, previous and digest set. Atomic across processes. With `once` nothing is appended if a
 * line has the record's `id` already: for what is told again after a crash. False and an error with
 * status 74, or 65 if the log's last line is not one of ours; then nothing was appended. */
bool audit_append(const char *path, jv record, bool once, struct error *error);

struct audit_summary {
    unsigned long lines, faults;
    char *head; /* the last line's digest, NULL without lines; the caller frees */
    bool saw_wanted;
};

/* Reads the log and tells `fault` of each line that was changed, removed or moved. `wanted` is a
 * digest that some line must have, or NULL. False and an error if it cannot be read. */
bool audit_verify(const char *path, const char *wanted,
                  void (*fault)(unsigned long line, const char *what),
                  struct audit_summary *summary, struct error *error);

#endif
