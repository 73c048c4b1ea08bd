/* The journal of one document. Each action is on the disk before it is taken, and its outcome
 * before anything else happens, so that a run after a crash continues correctly.
 *
 * An append-only file of JSON lines. Entries have `format` (1), a `step`, one of "ask", "asked",
 * "decided", "refreshed", "execute", "executed", a `key` that names the call, and `time`. An entry
 * about several calls names each in `keys`, and counts for all of them. It can contain tokens:
 * 0600. Only one process has it open at a time; others wait.
 *
 * The journal of a spool begins with a line of the step "generation", whose key changes each time
 * the spool starts a command for the document or ends its work on it. A command started earlier
 * that arrives late finds another generation or no journal, and does nothing. */
#ifndef CIBA_APPROVAL_JOURNAL_H
#define CIBA_APPROVAL_JOURNAL_H

#include "base/error.h"

#include <jv.h>
#include <stdbool.h>
#include <stddef.h>

struct journal;

/* Opens the journal, waiting for a process that has it open. Removes an incomplete last line that a
 * crash or a full disk left. Without a generation (NULL) it is created if missing and must not be a
 * spool's; with one it must exist and have that generation. NULL and an error: 74; 65 if it is no
 * journal, or from a later version; 75 for another generation. */
struct journal *journal_open(const char *path, const char *generation, struct error *error);
void journal_close(struct journal *journal);

/* The newest entry with this key and one of the two steps (`other` may be NULL), or invalid. */
jv journal_newest(const struct journal *journal, const char *step, const char *other,
                  const char *key);

/* Appends an entry, which is taken, with format, step, key and time set; it is on the disk when
 * this returns true. False and an error with status 74: then the journal is unchanged. */
bool journal_add(struct journal *journal, const char *step, const char *key, jv entry,
                 struct error *error);

/* Reserves space for entries of this total size, as durable_reserve. */
bool journal_reserve(struct journal *journal, size_t size, struct error *error);

/* Gives the journal of a spool's document a new generation, creating it if missing; the caller
 * frees the generation. `aside` is a new name on the same file system. NULL and an error: 75 if
 * another process has the journal open, else 74 or 78. */
char *journal_fence(const char *path, const char *aside, struct error *error);

#endif
