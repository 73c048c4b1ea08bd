/* Where an agent spool keeps its documents: the interface that the engine of agent-spool uses, with
 * a struct store_kind for each kind of store. Not for threads; one engine has one store open.
 *
 * A document is in the queue (with the time at which it is due), done, or failed. With it the store
 * keeps its journal: the entries (journal.h) of the steps begun and finished, until it is done.
 * Nothing that a function below puts in is durable, and no other process sees it, before commit. */
#ifndef CIBA_AGENT_STORE_H
#define CIBA_AGENT_STORE_H

#include "base/error.h"
#include "system/confinement.h"

#include <jv.h>
#include <stdbool.h>
#include <stddef.h>

/* Each kind of store begins with it. */
struct store {
    const struct store_kind *kind;
};

/* A document that this process has: nobody else works on it. */
struct held {
    char *name;
    jv document; /* as saved, with its member `spool`, without the journal */
    jv journal;  /* array of entries */
    void *own;   /* the store's */
    /* While an entry is put in, its text as JSON; while the document is saved or put back, that of
     * the document without its member `spool`. An object on one line, without its end. The
     * engine's; NULL if it has none. */
    const char *text;
};

enum store_place { STORE_QUEUE, STORE_DONE, STORE_FAILED };

/* What a store is opened for. */
enum store_use {
    STORE_LISTS, /* each */
    STORE_ADDS,  /* add, retry, each; makes a store that is missing */
    STORE_RUNS   /* all; status 66 for a store that is missing */
};

/* What became of a commit. */
enum commit {
    COMMITTED,
    /* Nothing of it is durable (the disk is full). What was put in is forgotten: held documents and
     * journals are as they were at the last commit, and what was put back is held still. */
    COMMIT_REFUSED,
    /* This process may not write any more (its lease was taken over), or nobody can say whether it
     * is durable: all held documents are somebody else's. Do nothing more than close; that frees
     * them. */
    COMMIT_LOST
};

/* Whether an approval may be used (spent.h). */
enum store_spent { STORE_SPENT_NOW, STORE_SPENT_BEFORE, STORE_SPENT_UNKNOWN };

/* Called by `each` for one document, which is not taken. `time` is when it is due, or when it was
 * done or failed. If it cannot be read, it is invalid and `problem` says why; else that is NULL.
 * False ends it. */
typedef bool store_visit(void *context, const char *name, double time, jv document,
                         const struct error *problem);

struct store_kind {
    const char *name;

    /* Opens it, before the process gives up rights. NULL and an error: 66, 69, 74, 77, 78. */
    struct store *(*open)(const char *where, enum store_use use, struct error *error);
    /* Frees it and all held documents: those not put back are free at once for others, as of the
     * last commit. */
    void (*close)(struct store *store);
    /* Adds what it needs. Its paths live as long as the store. */
    void (*needs)(const struct store *store, struct confinement *needs);

    /* Adds a new document, which is taken, due now, with the time in `spool`.`added_at`. Returns
     * its name, which the caller frees; tell it after the commit. NULL and an error: 74. */
    char *(*add)(struct store *store, jv document, struct error *error);

    /* Takes at most `most` due documents that nobody has, the longest due first. Returns how many.
     * The caller has them until they are put back or left. error->status is 0, or else it is for
     * the caller to report: 65 if a document cannot be read, which has been moved to failed then;
     * 66 for one that may not be read, which stays; 69, 74. The rest comes with the next call. */
    size_t (*take)(struct store *store, struct held **taken, size_t most, struct error *error);
    /* When a document is due that could be taken then; one that another process has counts as due
     * in a second. INFINITY if none is left in the queue but what this process has or has left. */
    double (*next_due)(struct store *store);
    /* Readable when there may be something new to take before next_due; -1 for none: then beat
     * finds it. Only for who waits, and first before the process gives up rights. */
    int (*descriptor)(const struct store *store);

    /* A descriptor that stays the store's, and whose copies keep the document from others while any
     * is open, though this process has ended. Who `outlives` has a copy that may still be open when
     * the document is put back. NULL for a store that has no such thing. */
    int (*lock)(struct held *held, bool outlives);

    /* Puts in an entry, which is taken, and appends it to held->journal at once. */
    void (*entry)(struct store *store, struct held *held, jv entry);
    /* Puts in a new state of the document, which is taken; replaces held->document at once. */
    void (*save)(struct store *store, struct held *held, jv document);
    /* The same, and gives the document back: to the queue, due at that time (0: now), or to done or
     * failed. After COMMITTED `held` is freed. */
    void (*put_back)(struct store *store, struct held *held, jv document, enum store_place place,
                     double due);
    /* Gives it back exactly as it is, without a commit, and frees it: this process does not work on
     * it (a task of mcp-gate; of a later version), and does not take it again as long as it stays
     * unchanged. Not after something was put in for it since the last commit. */
    void (*leave)(struct store *store, struct held *held);

    /* Puts in that the use of an approval begins (spent.h): `name` names its record, `key` the
     * execution, `claim` who begins it. Sets *answer and *again, which must live until then, when
     * commit returns COMMITTED. */
    void (*spend)(struct store *store, struct held *held, const char *name, const char *key,
                  const char *claim, enum store_spent *answer, bool *again);
    /* Puts in that it ended: `use` is "used", "not_used" (it may be used again, unless an earlier
     * try perhaps did) or "unknown" (it stays begun). */
    void (*spent)(struct store *store, struct held *held, const char *name, const char *key,
                  const char *claim, const char *use);
    /* Whether the store has an audit log. `audit` puts in records for it, which are taken; with
     * `once` only those that are not in it. Else `audit` is NULL. */
    bool has_audit;
    /* Whether a commit costs so much that outcomes, which no effect follows at once, wait a moment
     * for others (engine_commit.c). Only with `has_audit`: no stage logs them elsewhere. */
    bool shares_commits;
    void (*audit)(struct store *store, struct held *held, jv records, bool once);

    /* Makes durable all that was put in since the last commit, at once. Unless COMMITTED, an
     * error. */
    enum commit (*commit)(struct store *store, struct error *error);
    /* Call it each second: renews leases, finds what is new, tidies up. False and an error if this
     * process may not write any more: as COMMIT_LOST. */
    bool (*beat)(struct store *store, struct error *error);

    /* For list: visits each document of a place whose time is not before `since`, by time. False
     * and an error: 69, 74. */
    bool (*each)(struct store *store, enum store_place place, double since, store_visit *visit,
                 void *context, struct error *error);
    /* How many documents a place has, without a look into them. -1 and an error: 69, 74. */
    long (*count)(struct store *store, enum store_place place, struct error *error);
    /* Moves failed documents with these names (up to a NULL; all if `names` is NULL) back to the
     * queue, due now, durably. How many; -1 and an error: 66 for a name that is not there, 74. */
    long (*retry)(struct store *store, char *const *names, struct error *error);
};

/* A folder (folder_store.c). `where` is its path. Makes it the working directory; `each` and
 * `count` do so again. */
extern const struct store_kind folder_store;

#endif
