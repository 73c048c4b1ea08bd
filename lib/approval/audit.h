/* The audit log: a file of JSON lines, one for each event (asked, decided, executed), each chained
 * to the previous one by SHA-256. A line ends in `,"digest":"sha-256:…"}`: the digest of the line's
 * bytes up to that comma. They include `previous`, the digest of the line before. A new log
 * continues from the last line of the rotated one, PATH.1. */
#ifndef CIBA_APPROVAL_AUDIT_H
#define CIBA_APPROVAL_AUDIT_H

#include "base/error.h"

#include <jv.h>
#include <stdbool.h>

enum { AUDIT_LINE_FORMAT = 1 };

/* Appends the records, an array of objects that is taken, and sets in each format (1), n (the
 * line's number), time (RFC 3339, UTC), command, previous and digest. Atomic across processes. With
 * `once`, leaves out each whose `id` a line here or in PATH.1, PATH.2 and so on has: for events
 * that are logged again after a crash. False and an error with status 74, or 65 if the log's last
 * line is not one of ours; then nothing was appended. */
bool audit_append(const char *path, jv records, bool once, struct error *error);

/* The records, which are taken, with what audit_append sets but n, previous and digest: for a log
 * that somebody else writes. */
jv audit_stamp(jv records);

/* The same as audit_append, unless a line has one of these ids (up to a NULL): then appends nothing
 * and sets *there. Atomic, so that the log is a witness of what must not happen twice. */
bool audit_append_unless(const char *path, jv record, const char *const *ids, bool *there,
                         struct error *error);

/* Whether a record could be appended. Creates no file. False and an error as for audit_append. */
bool audit_ready(const char *path, struct error *error);

#endif
