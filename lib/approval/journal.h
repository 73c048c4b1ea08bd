/* The journal of one document. Each action is on the disk before it is taken, and its outcome
 * before anything else happens, so that a run after a crash continues correctly.
 *
 * An append-only file of JSON lines. Entries have `format` (1), a `step`, one of "ask", "asked",
 * "decided", "refreshed", "execute", "executed", a `key` that names the call, and `time`. An entry
 * about several calls names each in `keys`, and counts for all of them. It can contain tokens:
 * 0600. Only one process has it open at a time; others wait.
 *
 * In a stage of agent-spool the engine keeps it (stage.h): the entries come with the document. When
 * the engine has answered, an intent is durable; an outcome is, with some stores, in the next
 * commit (stage_messages.h). */
#ifndef CIBA_APPROVAL_JOURNAL_H
#define CIBA_APPROVAL_JOURNAL_H

#include "base/error.h"
#include "document/stage.h"

#include <jv.h>
#include <stdbool.h>
#include <stddef.h>

struct journal;

/* Opens the journal, waiting for a process that has it open. Creates it if it is missing. Removes
 * an incomplete last line that a crash or a full disk left. NULL and an error: 74; 65 if it is no
 * journal, or from a later version. */
struct journal *journal_open(const char *path, struct error *error);

/* The same for a document of this stage, which must outlive it; takes its entries. NULL and an
 * error with status 65. */
struct journal *journal_of_stage(struct stage_document *document, struct error *error);

/* That document; NULL for a file, or for NULL. */
struct stage_document *journal_stage(const struct journal *journal);

void journal_close(struct journal *journal);

/* Whether an entry that was read is known here: one of a later version is refused rather than
 * skipped, since it may record something that was done. Sets *says to whether it says anything:
 * what only earlier versions wrote does not. False and an error with status 65; `path` is the
 * journal's name in messages. The entry may be invalid, and stays the caller's. */
bool journal_knows(jv entry, const char *path, bool *says, struct error *error);

/* The newest entry with this key and one of the two steps (`other` may be NULL), or invalid. */
jv journal_newest(const struct journal *journal, const char *step, const char *other,
                  const char *key);

/* Appends an entry, which is taken, with format, step, key and time set; it is on the disk when
 * this returns true; in a stage, see above; in one that takes many documents at a time, before the
 * document is given back. False and an error with status 74: then the journal is unchanged. */
bool journal_add(struct journal *journal, const char *step, const char *key, jv entry,
                 struct error *error);

/* Reserves space for entries of this total size, as durable_reserve; not in a stage. */
bool journal_reserve(struct journal *journal, size_t size, struct error *error);

#endif
