/* The records of each step besides the document: the journal, so that a crash loses and repeats
 * nothing (journal.h); the seal (seal.h); the audit log (audit.h). Each is optional. Only this
 * module knows the order in which they are written:
 *
 *     intent -> journal, the effect, outcome -> journal, audit log, document. */
#ifndef CIBA_APPROVAL_LEDGER_H
#define CIBA_APPROVAL_LEDGER_H

#include "approval/approval_store.h"
#include "approval/journal.h"
#include "approval/shared_entry.h"
#include "base/error.h"
#include "system/confine.h"

#include <jv.h>
#include <stdbool.h>

/* Settings from the command line; NULL where not given. */
struct ledger_settings {
    const char *journal, *audit, *seal_key_file, *store, *store_key_file, *spent;
};

/* clang-format off */
#define AUDIT_OPTION(settings) \
    {0, "audit-file", "FILE", OPTION_TEXT, &(settings).audit, \
     "log what is asked, decided and executed in FILE"}

#define SEAL_OPTION(settings) \
    {0, "seal-key-file", "FILE", OPTION_SECRET, &(settings).seal_key_file, \
     "seal approvals with the key in FILE; refuse others"}

#define LEDGER_OPTIONS(settings) \
    {0, "journal-file", "FILE", OPTION_TEXT, &(settings).journal, \
     "keep a journal of the one document in FILE"}, \
    AUDIT_OPTION(settings), \
    SEAL_OPTION(settings)

#define STORE_OPTIONS(settings) \
    {0, "store-dir", "DIR", OPTION_TEXT, &(settings).store, "keep approvals in DIR, to be used again"}, \
    {0, "store-key-file", "FILE", OPTION_SECRET, &(settings).store_key_file, \
     "encrypt the store with the key in FILE"}
/* clang-format on */

struct ledger {
    const char *journal_path, *audit, *seal_key;
    bool in_stage;                /* agent-spool keeps the journal (stage.h) */
    struct journal *journal;      /* open from the first document on; in a stage each document's */
    struct shared_entries shared; /* of the journal */
    struct approval_store store;  /* folder is NULL for none */
    const char *spent_folder;     /* NULL for none */
    char *given;                  /* the newest use of what is in the store */
    struct journal *spending;     /* of the approval being used */
    bool spends_in_stage;         /* the same, where agent-spool records it */
    bool spent_perhaps;           /* by an earlier try of this execution */
    char *claim;                  /* names the execution that uses it */
    bool begun;
    bool begun_before; /* the execution, before a crash: it may have been told already */
};

/* Reads the settings from flags, environment (CIBA_JOURNAL, CIBA_AUDIT, CIBA_SEAL_KEY,
 * CIBA_SPENT) and the -e file, already loaded. In a stage the journal is agent-spool's, and so are
 * spent approvals without a flag. False and an error with status 64, 66 or 78. */
bool ledger_configure(struct ledger *ledger, const struct ledger_settings *settings,
                      struct error *error);

/* Then the same for the store of this client's approvals (CIBA_STORE, CIBA_STORE_KEY), which only
 * commands that ask and decide use. */
bool ledger_configure_store(struct ledger *ledger, const struct ledger_settings *settings,
                            const char *client_id, struct error *error);
void ledger_free(struct ledger *ledger);

/* Whether the configured records can be written, as far as can be checked without writing. Call it
 * before asking a user. False and an error with status 74, or 65 for a file that is not an audit
 * log. */
bool ledger_ready(const struct ledger *ledger, struct error *error);

/* Adds the files to be written. */
void ledger_needs(const struct ledger *ledger, struct confinement *needs);

/* Call it before the work on a document. Opens the journal, not sooner: in a pipeline the command
 * before holds it until it ends. False and an error: 65 for a second document, because a journal
 * belongs to one; else as for journal_open. A stage's documents have their own journals: begins the
 * one on which it works (stage_current), and forgets all of the one before. */
bool ledger_begin(struct ledger *ledger, struct error *error);

/* The next ledger_begin is about the same document: for a process that does several steps. */
void ledger_next_step(struct ledger *ledger);

/* In a stage that has many documents: takes the journal of the document out, to be kept with it
 * and closed by journal_close, and puts it in again. Elsewhere NULL, and nothing is done. */
struct journal *ledger_set_aside(struct ledger *ledger);
void ledger_resume(struct ledger *ledger, struct journal *journal);

/* False in a stage whose agent-spool has ended: then nothing more that has an effect is done. */
bool ledger_lives(const struct ledger *ledger);

/* The record with the spool and the document that it is about, as far as they are known. Takes the
 * record. */
jv ledger_located(const struct ledger *ledger, jv record);

/* Whether there is an audit log, and appending to it, as audit_append. */
bool ledger_logs(const struct ledger *ledger);
bool ledger_logs_in_stage(const struct ledger *ledger); /* to agent-spool */
bool ledger_log(const struct ledger *ledger, jv records, bool once, struct error *error);

/* Reserves that many bytes in the journal, if there is one; in a stage checks ledger_lives. False
 * and an error with status 74. */
bool ledger_reserve(struct ledger *ledger, size_t size, struct error *error);

/* Whether a call is still what the user was asked about: checks call_digest, and the seal if there
 * is a key. False and an error with status 65. */
bool ledger_trusts(const struct ledger *ledger, jv call, struct error *error);

enum ledger_memory {
    LEDGER_NOTHING, /* no such step in the journal */
    LEDGER_BEGUN,   /* the step was begun, its outcome is unknown */
    LEDGER_FINISHED /* the outcome is known and now in the call or the result */
};

/* Logs what could not be written to the audit log when it happened (then the call has the member
 * `untold`). Takes the call. */
jv ledger_catch_up(struct ledger *ledger, jv call, int *status);

/* Gives the call an approval from the store for the question of this authorization, which has
 * `reuse`; false if there is none. */
bool ledger_reuse(struct ledger *ledger, jv authorization, jv *call, int *status);

/* The same with a use of the lease that covers this offer (lease.h). With an audit log the use is
 * logged before the call has it, and a use that the log has already, or one of a lease that it says
 * was ended, is of an older copy of the lease's file: it is not given, and the lease ends. */
bool ledger_lease(struct ledger *ledger, jv offer, jv *call, int *status);

/* Whether the call's approval is the newest that this process took from the store: then the store
 * proves it, whatever is in the call. */
bool ledger_gave(const struct ledger *ledger, jv call);

/* Asking, CIBA Core §7. Looks the question up in the journal. LEDGER_FINISHED: *call has the
 * authorization. LEDGER_BEGUN: *until is when the first request can no longer be approved. */
enum ledger_memory ledger_question(struct ledger *ledger, jv *call, double *until, int *status);
/* Call it before the request is sent. */
bool ledger_asking(struct ledger *ledger, jv call, double until, struct error *error);
/* Call it afterwards; returns the call with the seal. Takes the call. Reports what cannot be
 * recorded. */
jv ledger_asked(struct ledger *ledger, jv call, int *status);

/* The same for calls that are asked about together (together.h), with the digest of their list: one
 * entry of the journal for all, before and after. */
bool ledger_asking_together(struct ledger *ledger, jv calls, const char *digest, double until,
                            struct error *error);
jv ledger_asked_together(struct ledger *ledger, jv calls, const char *digest, int *status);

/* Records how the wait for the decision stands (interval, next_poll_at), so that a later process
 * goes on from there. Reports a failure. */
void ledger_waiting(struct ledger *ledger, jv call, int *status);

/* Deciding. The call with the decision in the journal, if any. Takes the call. */
jv ledger_remembered(struct ledger *ledger, jv call, int *status);
/* Records a decision that has arrived, for all calls of a request; returns them sealed. Takes the
 * array of calls. */
jv ledger_decided(struct ledger *ledger, jv calls, int *status);

/* Executing, under a key that identifies the execution. What was begun before is told once. */
enum ledger_memory ledger_execution(struct ledger *ledger, const char *key, jv *result);
bool ledger_executing(struct ledger *ledger, const char *key, struct error *error);

/* Records in the call the time of a try that may have executed it; returns it sealed. Takes the
 * call. */
jv ledger_attempted(struct ledger *ledger, jv call);

/* Call it afterwards. Returns the call with the result, if that is valid, and without its token.
 * `again` if the result is from the journal. Takes call and result. */
jv ledger_executed(struct ledger *ledger, jv call, const char *key, jv result, bool again,
                   int *status);

/* Records an approval that was refused. */
void ledger_refused(struct ledger *ledger, jv call, const char *why, int *status);

/* Records that a command replaces this process with the user's approval (ciba-run). False and an
 * error. */
bool ledger_started(struct ledger *ledger, jv call, struct error *error);

/* For ledger*.c: how what happened is told, to the audit log and to the journal. A failure is
 * reported, and in *status; what the audit log lacks then is marked in the call (`untold`), for the
 * next command that has it. */

/* Appends these facts of the call to the audit log; with `again` only if it does not have them. The
 * call is not marked. Takes the facts. */
bool ledger_tell(const struct ledger *ledger, jv call, jv facts, bool again, int *status);

/* The same, and returns the call, marked. Takes the call and the facts. */
jv ledger_tell_facts(const struct ledger *ledger, jv call, jv facts, bool again, int *status);

/* The same with the newest facts of the call, if there is an audit log. Takes the call. */
jv ledger_tell_newest(const struct ledger *ledger, jv call, bool again, int *status);

/* The same with those of each call, at once. Takes the calls. */
jv ledger_tell_newest_of_all(const struct ledger *ledger, jv calls, int *status);

/* Records an outcome in the open journal. Takes the entry. */
void ledger_note(struct ledger *ledger, jv call, const char *step, const char *key, jv entry,
                 int *status);

#endif
