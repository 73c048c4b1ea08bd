/* What is kept of each step beside the document: the journal, so that a crash loses nothing and
 * repeats nothing (journal.h); the seal (seal.h); the audit log (audit.h). Each only where it is
 * set. The one place that knows in which order they are written:
 *
 *     intent -> journal, the effect, outcome -> journal, audit log, document. */
#ifndef CIBA_RECORD_H
#define CIBA_RECORD_H

#include "confine.h"
#include "error.h"
#include "journal.h"
#include "store.h"

#include <jv.h>
#include <stdbool.h>

/* Settings from the command line; NULL where not given. */
struct record_settings {
    const char *journal, *audit, *seal_key_file, *store, *store_key_file, *spent;
};

/* clang-format off */
#define AUDIT_OPTION(settings) \
    {0, "audit", "FILE", OPTION_TEXT, &(settings).audit, \
     "append what is asked, decided and executed to FILE"}

#define RECORD_OPTIONS(settings) \
    {0, "journal", "FILE", OPTION_TEXT, &(settings).journal, \
     "write each step of the one document down in FILE first"}, \
    AUDIT_OPTION(settings), \
    {0, "seal-key-file", "FILE", OPTION_TEXT, &(settings).seal_key_file, \
     "seal approvals with the key in FILE; refuse others"}

#define STORE_OPTIONS(settings) \
    {0, "store", "DIR", OPTION_TEXT, &(settings).store, "keep approvals in DIR, to be used again"}, \
    {0, "store-key-file", "FILE", OPTION_TEXT, &(settings).store_key_file, \
     "encrypt them with the key in FILE"}
/* clang-format on */

struct record {
    const char *journal_path, *audit, *seal_key; /* NULL for none */
    struct journal *journal;                     /* open from the first document on */
    struct store store;                          /* folder is NULL for none */
    const char *spent_folder;                    /* NULL for none */
    struct journal *spending;                    /* of the approval that is being used */
    char *claim;                                 /* which execution uses it */
    bool begun;
};

/* Settles them, from flags, environment (CIBA_JOURNAL, CIBA_AUDIT, CIBA_SEAL_KEY,
 * CIBA_STORE, CIBA_STORE_KEY, CIBA_SPENT) and the file of -e, which has been loaded. False and an
 * error with status 66 or 78. */
bool record_configure(struct record *record, const struct record_settings *settings,
                      struct error *error);
void record_free(struct record *record);

/* Adds what will be written. */
void record_needs(const struct record *record, struct confinement *needs);

/* To be called before the work on a document. Opens the journal: not sooner, for the command before
 * in a pipeline has it until it ends. False and an error with status 65 for a second document,
 * since a journal is one document's. */
bool record_begin(struct record *record, struct error *error);

/* Whether a call that has been asked about is what it was: call_digest, and the seal if there is a
 * key. False and an error with status 65. */
bool record_trusts(const struct record *record, jv call, struct error *error);

enum record_memory {
    RECORD_NOTHING, /* there is no such step in the journal */
    RECORD_BEGUN,   /* it was about to be done, and it is not known whether it was */
    RECORD_FINISHED /* its outcome is known, and stands now in the call or the result */
};

/* What could not be told in the audit log when it happened (its call has the member `untold`) is
 * told now. Takes the call. */
jv record_catch_up(struct record *record, jv call, int *status);

/* Gives the call an approval from the store that answers the question of this authorization, which
 * has `reuse`; false where there is none. */
bool record_reuse(struct record *record, jv authorization, jv *call, int *status);

/* Asking, CIBA Core §7. What the journal says of it: for RECORD_FINISHED *call has the
 * authorization, for RECORD_BEGUN *until is when the first request can no longer be approved. */
enum record_memory record_question(struct record *record, jv *call, double *until, int *status);
/* Before the request is sent. */
bool record_asking(struct record *record, jv call, double until, struct error *error);
/* After; the call with the seal. Takes the call. Complains where it cannot be written down. */
jv record_asked(struct record *record, jv call, int *status);

/* Deciding. The call as the journal has it decided, or as it is. Takes the call. */
jv record_remembered(struct record *record, jv call, int *status);
/* A decision that has come: the call sealed. Takes the call. */
jv record_decided(struct record *record, jv call, int *status);

/* Executing, under a key that names it. */
enum record_memory record_execution(struct record *record, const char *key, jv *result);
bool record_executing(struct record *record, const char *key, struct error *error);

/* Using an approval up, where spent ones are kept (CIBA_SPENT): a file for each, named for when its
 * token expires and for the execution, which is locked until record_spent. Between record_executing
 * and the execution. *again becomes true where this very execution was begun before, as the
 * document's journal says. */
enum record_spending {
    SPENT_NOW,     /* it is this execution's now */
    SPENT_BEFORE,  /* it has been used */
    SPENT_UNKNOWN, /* another execution was begun with it, and it is not known what came of that */
    SPENT_ERROR    /* it cannot be written down: status 74 */
};
enum record_spending record_spend(struct record *record, jv call, const char *key, bool *again,
                                  struct error *error);
/* After the execution: whether it was used; where that is not known, it stays as begun. */
enum record_use { USED, NOT_USED, USE_UNKNOWN };
void record_spent(struct record *record, jv call, const char *key, enum record_use use,
                  int *status);

/* The call with the time of a try that may have executed it, sealed. Takes the call. */
jv record_attempted(struct record *record, jv call);

/* After; the call with the result, if that is valid, and without its token. `again` for one that
 * the journal had. Takes call and result. */
jv record_executed(struct record *record, jv call, const char *key, jv result, bool again,
                   int *status);

/* An approval that was not honoured. */
void record_refused(struct record *record, jv call, const char *why, int *status);

/* A command takes the place of this one with the user's approval (ciba-run). False and an error. */
bool record_started(struct record *record, jv call, struct error *error);

#endif
