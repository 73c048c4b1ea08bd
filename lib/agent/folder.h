/* The parts of the store that is a folder (folder_store.c).
 *
 *     queue/NAME    a document; its modification time is when it is due
 *     done/NAME     one that is finished
 *     failed/NAME   one that failed, with the reason in its member `spool`
 *     lock/NAME     locked (flock) by the process that has it, and says which run that is
 *     lock/RUN.N    a lock that a run keeps for its next document (folder_lock.c)
 *     log/RUN       what a run has committed (folder_log.c), locked as long as it lives
 *     due           when which document is due, if there are many (folder_index.c)
 *     journal/NAME  the journal of an earlier version
 *     tmp/          files being written
 *
 * In queue and failed, `spool`.`journal` is an object: `version` counts the states of the document,
 * and `entries` has the texts of the journal's entries. A commit is one write to the log, and one
 * sync. The files are written after it, without a sync; the log is emptied after they are synced.
 * Whoever finds a log that nobody has locked brings the files up to it (folder_recover.c). */
#ifndef CIBA_AGENT_FOLDER_H
#define CIBA_AGENT_FOLDER_H

#include "agent/agent_spool.h"
#include "agent/store.h"
#include "base/heap.h"
#include "base/text.h"

#include <sys/stat.h>
#include <sys/types.h>

/* What a document's file has, in parts. */
struct folder_document {
    jv document; /* without `spool`.`journal` */
    jv journal;  /* array of entries */
    double version;
};

/* What the store has with a held document (held->own). */
struct folder_held {
    struct held held; /* first: they are freed together */
    struct folder_held *next;
    int claim;
    bool outlived; /* a process has a copy of the claim, and may still have it after put_back */
    double version;
    struct folder_document committed; /* as of the last commit */
    bool changed;                     /* committed, but not in its file */
    bool put_in;                      /* something since the last commit */
    bool put_back;
    bool released;       /* a commit has put it back: only its file is still to be written */
    char *text;          /* its file then */
    struct text entries; /* of the journal, as its form has them; of no use while `stale` */
    bool stale;
    enum store_place place;
    double due;
};

/* A document of the queue. */
struct folder_turn;
struct folder_waiting {
    struct folder_waiting *next; /* in its row */
    struct folder_turn *turn;    /* NULL while it has none: this process has it, or has left it */
    double saved;                /* the change time at which it was left */
    unsigned long look;          /* the number of the last look at which it was there */
    bool held, left;
    char name[];
};
struct folder_turn {
    struct heap_item item;
    struct folder_waiting *of; /* NULL: no longer counts */
};

struct folder_queue {
    struct folder_waiting **rows;
    size_t row_count, count;
    struct heap turns;
    bool known;     /* the whole queue has been read */
    double soonest; /* while it is not: when the first is due, by the index */
    unsigned long look;
    double looked_at; /* clock_elapsed */
    double scanned_at;
    struct timespec modified; /* of the folder, before the last look */
    int watch;                /* inotify; -1 for none */
    bool is_watch_tried;
};

struct folder_paths {
    char **paths;
    size_t count, room;
};

/* A lock that no document needs now (folder_lock.c). */
struct folder_lock {
    int descriptor;
    size_t number;
};

struct folder_spending;
struct folder_ending;

struct folder {
    struct store store; /* first */
    struct agent_spool spool;
    enum store_use use;
    char *spent; /* the folder of spent approvals; NULL for none */
    char *run;   /* the name of the log */
    int log;     /* -1 until something is written */
    off_t log_end;
    double log_since; /* clock_elapsed of the first record since it was emptied */
    bool lost;
    struct text put_in;           /* records of the next commit */
    struct folder_paths added;    /* names; their files are in tmp/ */
    struct folder_paths unsynced; /* files written since the log was emptied */
    struct folder_paths spent_unsynced;
    struct folder_held *held;
    struct folder_lock *locks; /* kept for documents to come */
    size_t lock_count, last_lock;
    struct folder_queue queue;
    struct folder_spending *spending;
    struct folder_ending *ending;
};

enum { FOLDER_SYNC_ONE_BY_ONE = 16 };

/* folder_file.c */
/* The document's file as one line; the caller frees. */
char *folder_text(const struct folder_document *document, enum store_place place);
/* The same of a held document; keeps the text of its journal for the next time. */
char *folder_held_text(struct folder_held *held);
/* The held document's journal has one more entry, with this text. */
void folder_add_entry(struct folder_held *held, const char *text);
/* Reads it. False and an error: 66 if it is gone or cannot be read, 65 if it is no document. */
bool folder_read(const char *place, const char *name, struct folder_document *document,
                 struct error *error);
/* Parts the journal from a document that has both. False if it is not what folder_text makes. */
bool folder_part(struct folder_document *document);
void folder_free_document(struct folder_document *document);
/* Writes the file without a sync, due then (0: now), and removes it from the queue if that is
 * another place. False and an error with status 74. */
bool folder_write(struct folder *folder, const char *name, const char *text, enum store_place place,
                  double due, struct error *error);
/* The same for a document that is finished, which this process has and whose text is in the log: in
 * the file that it has in the queue, if possible, which then moves. Nobody else reads it meanwhile
 * (flock). */
bool folder_finish(struct folder *folder, const char *name, const char *text, struct error *error);
/* The name of a place's folder. */
const char *folder_place(enum store_place place);
/* The path of a file in a folder of the spool; the caller frees. */
char *folder_path(const char *place, const char *name);
/* A new path in tmp/; the caller frees. */
char *folder_aside(void);
/* Takes the path. */
void folder_paths_add(struct folder_paths *paths, char *path);
/* Frees the paths; the list is empty then. */
void folder_paths_free(struct folder_paths *paths);
/* Makes the files (those that are still there), and the folders of documents, durable. */
bool folder_sync(const struct folder *folder, const struct folder_paths *paths,
                 struct error *error);
/* The same for one file or folder. */
bool folder_sync_file(const char *path, struct error *error);

/* folder_log.c */
/* Puts in the document's new state, `text`, with its place and when it is due. */
void folder_log_save(struct folder *folder, const struct folder_held *held, const char *text);
/* Puts in an entry of its journal, as text. */
void folder_log_entry(struct folder *folder, const struct folder_held *held, const char *entry);
/* Puts in that the use of an approval has ended; takes `ending`. */
void folder_log_spent(struct folder *folder, const char *name, jv ending);
/* Writes what was put in, and syncs. COMMIT_REFUSED or COMMIT_LOST and an error. */
enum commit folder_log_write(struct folder *folder, struct error *error);
/* Empties the log, durably; nothing may depend on it any more. */
bool folder_log_empty(struct folder *folder, struct error *error);
/* Removes it, durably. */
bool folder_log_remove(struct folder *folder, struct error *error);
/* Calls `each` with the two lines of each record of whole blocks. *same_boot: whether it was
 * written since the machine was started. */
bool folder_log_read(int fd, const char *path, void (*each)(void *context, jv head, jv body),
                     void *context, bool *same_boot, struct error *error);

/* folder_recover.c: brings the files up to the logs of runs that have ended. */
bool folder_recover(struct folder *folder, struct error *error);

/* folder_take.c */
/* Claims and reads a document. NULL and an error: 75 if somebody has it, 66 if it is gone, 65 if it
 * is no document (then it is in failed), 74. */
struct folder_held *folder_take(struct folder *folder, const char *name, struct error *error);
/* Whether a lock says which run had the document, and that run's log is there: what it has
 * committed may not be in the document's file yet, and who removes the lock loses it. */
bool folder_lock_leads_to_log(int claim);
/* Lets the document go, without a change of its file. */
void folder_release(struct folder *folder, struct folder_held *held);
void folder_free_held(struct folder_held *held);

/* folder_lock.c */
/* Locks a document of the queue by a lock that was kept. -1 if there is none, or somebody may have
 * the document: then agent_spool_claim knows. */
int folder_lock_again(struct folder *folder, const char *name);
/* Lets the document go and keeps its lock, of which nobody has a copy who needs it. */
void folder_lock_keep(struct folder *folder, const char *name, int claim);
/* Removes all that are kept. */
void folder_lock_free(struct folder *folder);
/* Removes those that a dead run kept. */
void folder_lock_sweep(const char *run);

/* folder_commit.c */
/* What store.h says of commit. */
enum commit folder_commit(struct folder *folder, struct error *error);
/* Writes the files that are behind the log. */
void folder_catch_up(struct folder *folder);
/* Empties the log, if no file is behind it. */
bool folder_checkpoint(struct folder *folder, struct error *error);
/* Gives up what was put in and not committed. */
void folder_forget_put_in(struct folder *folder);

/* folder_queue.c */
/* Nothing is known yet but what the index says. */
void folder_queue_open(struct folder_queue *queue);
/* From now on the descriptor `watch` tells what changes. */
void folder_queue_watch(struct folder_queue *queue);
void folder_queue_close(struct folder_queue *queue);
/* Finds what is new. False and an error with status 74. */
bool folder_queue_look(struct folder_queue *queue, bool whole, struct error *error);
/* Removes and returns the one longest due, which is marked as held; NULL if none is due. */
struct folder_waiting *folder_queue_next(struct folder_queue *queue);
/* When the first is due; INFINITY. */
double folder_queue_due(struct folder_queue *queue);
/* The document of this name; NULL if it is not known, unless `make`. */
struct folder_waiting *folder_queue_find(struct folder_queue *queue, const char *name, bool make);
/* It waits, until then. */
void folder_queue_put(struct folder_queue *queue, struct folder_waiting *waiting, double due);
/* It is left as it is, until its file changes. */
void folder_queue_leave(struct folder_waiting *waiting, const struct stat *facts);
/* It is gone. */
void folder_queue_drop(struct folder_queue *queue, struct folder_waiting *waiting);

/* folder_index.c */
/* Whether the index is good: then *soonest is when the first of it is due, and, with `load`, all of
 * it is put into the queue. */
bool folder_index_read(struct folder_queue *queue, bool load);
/* Writes it if the whole queue is known, and long. */
void folder_index_write(struct folder_queue *queue);

/* folder_spent.c */
/* What store.h says of spend and spent. */
void folder_spend(struct store *store, struct held *held, const char *name, const char *key,
                  const char *claim, enum store_spent *answer, bool *again);
void folder_spent(struct store *store, struct held *held, const char *name, const char *key,
                  const char *claim, const char *use);
/* Writes and syncs what begins; nothing of it on false and an error with status 74. */
bool folder_spend_write(struct folder *folder, struct error *error);
/* After the commit: gives the answers, or takes back what was written. */
void folder_spend_end(struct folder *folder, bool committed);
/* After the commit: what ended may be written down, or is forgotten. */
void folder_spent_commit(struct folder *folder, bool committed);
/* Writes down what ended. False if something is left, as somebody else has its file. */
bool folder_spent_write(struct folder *folder);
/* Puts what is left into the log. */
void folder_spent_log(struct folder *folder);
/* Makes what is written durable. */
bool folder_spent_sync(struct folder *folder, struct error *error);
/* What a log says of an end. */
void folder_spent_recover(struct folder *folder, const char *name, jv ending);
void folder_spent_free(struct folder *folder);

#endif
