/* A directory of documents that are worked on until they are done, by any number of processes of
 * one machine, of which each can be killed at any moment.
 *
 *     queue/NAME    a document; its time of modification is when it is due
 *     done/NAME     one that is finished
 *     failed/NAME   one that cannot be, with the reason in its member `spool`
 *     journal/NAME  what its commands write down (journal.h)
 *     lock/NAME     locked (flock) by who works on it
 *     tmp/          files that are being written
 *
 * The directory itself is locked, shared, by every process that uses it: who has it alone removes
 * what killed ones have left. All of it depends on flock and rename on one machine: not for NFS. */
#ifndef CIBA_AGENT_SPOOL_H
#define CIBA_AGENT_SPOOL_H

#include "error.h"

#include <jv.h>
#include <stdbool.h>
#include <stddef.h>

struct agent_spool {
    char *directory;
    int descriptor;
};

/* Opens it, and makes what is missing within it if `make`. False and an error with status 66 or 74.
 */
bool agent_spool_open(struct agent_spool *spool, const char *directory, bool make,
                      struct error *error);
void agent_spool_close(struct agent_spool *spool);

/* Puts a new document in, due now. Its name, which the caller frees; NULL and an error (74). */
char *agent_spool_add(const struct agent_spool *spool, jv document, struct error *error);

struct agent_spool_entry {
    char *name;
    double due; /* seconds since 1970; in done and failed: since when it is there */
};

/* What is in a folder ("queue", "done", "failed"), by time; *count is set. Freed by
 * agent_spool_free_entries. An empty list and an error with status 74 if it cannot be read. */
struct agent_spool_entry *agent_spool_entries(const struct agent_spool *spool, const char *folder,
                                              size_t *count, struct error *error);
void agent_spool_free_entries(struct agent_spool_entry *entries, size_t count);

/* Takes a document of the queue to work on: a descriptor, to be given to agent_spool_release; -1 if
 * another process works on it (or a command that such a process has left), or it is gone. */
int agent_spool_claim(const struct agent_spool *spool, const char *name);
void agent_spool_release(const struct agent_spool *spool, const char *name, int claim);

/* The document of that name in a folder. False and an error: 66 if it is gone, 65 if it is none. */
bool agent_spool_read(const struct agent_spool *spool, const char *folder, const char *name,
                      jv *document, struct error *error);

/* Puts a claimed document back into the queue, to be due at that time (0: now). */
bool agent_spool_save(const struct agent_spool *spool, const char *name, jv document, double due,
                      struct error *error);

/* Puts it back and then moves it to done or failed. */
bool agent_spool_finish(const struct agent_spool *spool, const char *name, jv document,
                        const char *folder, struct error *error);

/* Moves it as it is. */
bool agent_spool_move(const struct agent_spool *spool, const char *name, const char *folder,
                      struct error *error);

/* The path of its journal; the caller frees. */
char *agent_spool_journal(const struct agent_spool *spool, const char *name);

#endif
