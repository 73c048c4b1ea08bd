/* The journal of one document: what was about to be done, on the disk before it was done, and what
 * came of it, on the disk before anything else. A run after a crash reads it and acts rightly.
 *
 * It is a file of JSON lines that are only appended. Entries have a `step`, one of "ask", "asked",
 * "decided", "execute", "executed", a `key` that names the call, and `time`. It can hold tokens:
 * 0600. While it is open no other process has it open: they wait. */
#ifndef CIBA_JOURNAL_H
#define CIBA_JOURNAL_H

#include "error.h"

#include <jv.h>
#include <stdbool.h>

struct journal;

/* Opens it, made if it is not there, after waiting for a process that has it. What a crash or a
 * full disk left of a last line goes. NULL and an error: 74, or 65 if it is no journal. */
struct journal *journal_open(const char *path, struct error *error);
void journal_close(struct journal *journal);

/* The newest entry of one of the two steps with this key (`other` may be NULL), or invalid. */
jv journal_newest(const struct journal *journal, const char *step, const char *other,
                  const char *key);

/* Appends an entry, which is taken, with step, key and time set; on the disk when this returns
 * true. False and an error with status 74: then the journal is as it was. */
bool journal_add(struct journal *journal, const char *step, const char *key, jv entry,
                 struct error *error);

#endif
