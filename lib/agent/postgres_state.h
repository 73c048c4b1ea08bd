/* What an open spool in PostgreSQL knows. For postgres_*.c. */
#ifndef CIBA_AGENT_POSTGRES_STATE_H
#define CIBA_AGENT_POSTGRES_STATE_H

#include "agent/postgres_connection.h"
#include "agent/store.h"
#include "base/text.h"

#ifdef POSTGRES

/* held->own: the document as of the last commit, and what is put in since. */
struct postgres_held {
    jv document, journal;
    char *text; /* of what is to be saved, NULL if it is not known */
    long long version;
    bool saved, back;
    bool polled; /* put back, it only waits for a poll */
    enum store_place place;
    double due;
};

struct postgres_entry {
    struct held *held;
    char *text;
};

/* The beginning (`use` is "begin") or end of the use of an approval. */
struct postgres_spend {
    char *name, *key, *claim;
    const char *use;
    enum store_spent *answer;
    bool *again;
};

struct postgres_record {
    jv record;
    bool once;
};

struct postgres_left {
    char *name;
    long long version;
};

struct postgres_store {
    struct store store; /* first */
    struct postgres_connection connection;
    const char *key;
    enum store_use use;
    double timeout; /* seconds after which others may give this worker up */

    /* This worker's row; id 0: none yet. */
    long long id, epoch, turn, written;
    double confirmed; /* clock_elapsed when the lease was renewed last */
    bool lost;

    struct held **held;
    size_t held_count;
    struct postgres_left *left;
    size_t left_count;

    /* Put in since the last commit. */
    struct postgres_entry *entries;
    struct postgres_spend *spends;
    struct postgres_record *records;
    size_t entry_count, spend_count, record_count;
    struct text new_names, new_documents; /* arrays, without their ends */

    bool woken; /* there may be something new */
    bool next_known;
    double next_due;
};

/* A text as the next element of an array in SQL's notation (`{"…","…"}`); NULL is null. */
void postgres_array_add(struct text *array, const char *element);
/* Ends the array, also an empty one, and returns its text, which stays the array's. */
const char *postgres_array_end(struct text *array);

/* A call of our functions in the database. `statement` has the worker's id and epoch as $1 and $2
 * and, if it is numbered, the turn as $3; `values` are those after them. After a lost connection
 * tries again, for `patience` seconds, but not longer than the lease lasts. Sets *result, which the
 * caller frees; NULL if POSTGRES_DONE is known only from the server's record of the last commit,
 * whose answers are then in *answers (an array's text; the caller frees). POSTGRES_FENCED: nothing
 * may be written any more. */
struct postgres_call {
    const char *statement;
    const char *const *values;
    size_t count;
    bool numbered, commits;
    double patience;
    PGresult *result;
    char *answers;
};
enum postgres_outcome postgres_call(struct postgres_store *store, struct postgres_call *call,
                                    struct error *error);

/* The same for a statement that needs no worker and may be executed twice. */
enum postgres_outcome postgres_call_plain(struct postgres_store *store, struct postgres_call *call,
                                          struct error *error);

/* Makes this worker's row, and gives up workers whose time is over: this one may end before it
 * renews its lease. */
bool postgres_begin_worker(struct postgres_store *store, struct error *error);

/* Ends it, and with it all that this process has. */
void postgres_end_worker(struct postgres_store *store);

/* The functions of the store (store.h). */
void postgres_entry(struct store *store, struct held *held, jv entry);
void postgres_save(struct store *store, struct held *held, jv document);
void postgres_put_back(struct store *store, struct held *held, jv document, enum store_place place,
                       double due);
void postgres_spend(struct store *store, struct held *held, const char *name, const char *key,
                    const char *claim, enum store_spent *answer, bool *again);
void postgres_spent(struct store *store, struct held *held, const char *name, const char *key,
                    const char *claim, const char *use);
void postgres_audit(struct store *store, struct held *held, jv records, bool once);
enum commit postgres_commit(struct store *store, struct error *error);
bool postgres_each(struct store *store, enum store_place place, double since, store_visit *visit,
                   void *context, struct error *error);
long postgres_count(struct store *store, enum store_place place, struct error *error);
long postgres_retry(struct store *store, char *const *names, struct error *error);

extern const char *const postgres_places[];

/* Frees a held document and takes it out of the store's list. */
void postgres_free_held(struct postgres_store *store, struct held *held);

/* Forgets what is put in. */
void postgres_forget(struct postgres_store *store);

#endif

#endif
