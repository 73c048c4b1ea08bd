/* The folder of a spool, as agent-spool (folder.h) and mcp-gate (gate/tasks.h) use it: documents
 * that any number of processes on one machine work on until they are done. Each process can be
 * killed at any moment.
 *
 *     queue/NAME    a document; its modification time is when it is due
 *     done/NAME     one that is finished
 *     failed/NAME   one that failed, with the reason in its member `spool`
 *     journal/NAME  the journal that an earlier version kept (journal.h)
 *     lock/NAME     locked (flock) by the process that works on it
 *     tmp/          files being written
 *
 * Every process holds a shared lock on the directory; one that gets it exclusively removes what
 * killed processes left. Depends on flock and rename on one machine: not for NFS. */
#ifndef CIBA_AGENT_AGENT_SPOOL_H
#define CIBA_AGENT_AGENT_SPOOL_H

#include "base/error.h"

#include <jv.h>
#include <stdbool.h>
#include <stddef.h>

struct agent_spool {
    char *directory;
    int descriptor;
};

/* Opens it, makes it the working directory, and, if `writes`, creates what is missing in it. The
 * directory and its folders must be ours and no symbolic links (durable_open_folder). False and an
 * error: 66, 74 or 78. */
bool agent_spool_open(struct agent_spool *spool, const char *directory, bool writes,
                      struct error *error);
void agent_spool_close(struct agent_spool *spool);

/* All that follows is about the open spool. */

/* A new name for a document, for agent_spool_save; the caller frees. */
char *agent_spool_new_name(void);

/* The document with the time at which it is added. Takes it. */
jv agent_spool_mark(jv document);

struct agent_spool_entry {
    char *name;
    double due; /* seconds since 1970; in done and failed: when it was moved there */
    double saved;
};

/* The entries of a folder ("queue", "done", "failed"), by time; sets *count. Freed by
 * agent_spool_free_entries. An empty list and an error with status 74 if it cannot be read. */
struct agent_spool_entry *agent_spool_entries(const char *folder, size_t *count,
                                              struct error *error);
void agent_spool_free_entries(struct agent_spool_entry *entries, size_t count);

/* Claims a document of the queue: returns a descriptor for agent_spool_release. -1 and an error: 75
 * if another process works on it, or it is gone; 74 if the spool cannot be written. */
int agent_spool_claim(const char *name, struct error *error);
void agent_spool_release(const char *name, int claim);

/* Reads the document with that name from a folder. False and an error: 66 if it is gone, 65 if it
 * is not a document. */
bool agent_spool_read(const char *folder, const char *name, jv *document, struct error *error);

/* Puts a claimed document back into the queue, due at that time (0: now). */
bool agent_spool_save(const char *name, jv document, double due, struct error *error);

/* Saves it and then moves it to done or failed. False and an error with status 74. */
bool agent_spool_finish(const char *name, jv document, const char *folder, struct error *error);

#endif
