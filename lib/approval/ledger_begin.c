/* Which document a ledger is about, and where its records go: the second part of ledger.h. */
#include "approval/audit.h"
#include "approval/audit_facts.h"
#include "approval/ledger.h"
#include "document/stage.h"
#include "json/json.h"

#include <stdlib.h>

/* Forgets all that is of one document. */
static void forget_document(struct ledger *ledger) {
    journal_close(ledger->journal);
    journal_close(ledger->spending);
    free(ledger->claim);
    free(ledger->given);
    shared_entries_free(&ledger->shared);
    ledger->journal = ledger->spending = NULL;
    ledger->claim = ledger->given = NULL;
    ledger->shared = (struct shared_entries){.begun = false};
    ledger->spent_perhaps = ledger->spends_in_stage = false;
}

void ledger_free(struct ledger *ledger) {
    forget_document(ledger);
}

/* A stage's document, or the one of the program in which this is an inner command. */
static struct stage_document *document_in_stage(const struct ledger *ledger, struct error *error) {
    if (stage_current() != NULL)
        return stage_current();
    if (!ledger->begun)
        return stage_knock(error);
    fail(error, STATUS_INPUT,
         "the program that agent-spool has started is for one document, and this is another; it is "
         "left as it is");
    return NULL;
}

static bool begin_in_stage(struct ledger *ledger, struct error *error) {
    struct stage_document *document = document_in_stage(ledger, error);
    if (document == NULL)
        return false;
    forget_document(ledger);
    ledger->begun = true;
    ledger->journal = journal_of_stage(document, error);
    return ledger->journal != NULL;
}

bool ledger_begin(struct ledger *ledger, struct error *error) {
    if (ledger->in_stage)
        return begin_in_stage(ledger, error);
    if (ledger->journal_path == NULL)
        return true;
    if (ledger->begun)
        return fail(error, STATUS_INPUT,
                    "the journal %s is for one document, and this is another; it is left as it is",
                    ledger->journal_path);
    ledger->begun = true;
    if (ledger->journal == NULL)
        ledger->journal = journal_open(ledger->journal_path, error);
    return ledger->journal != NULL;
}

void ledger_next_step(struct ledger *ledger) {
    ledger->begun = false;
}

struct journal *ledger_set_aside(struct ledger *ledger) {
    struct journal *journal = ledger->journal;
    if (!ledger->in_stage)
        return NULL;
    ledger->journal = NULL;
    forget_document(ledger);
    return journal;
}

void ledger_resume(struct ledger *ledger, struct journal *journal) {
    if (ledger->in_stage)
        ledger->journal = journal;
}

bool ledger_lives(const struct ledger *ledger) {
    return !ledger->in_stage || stage_engine_lives();
}

bool ledger_reserve(struct ledger *ledger, size_t size, struct error *error) {
    if (ledger->journal == NULL)
        return true;
    if (!ledger_lives(ledger))
        return fail(error, STATUS_IO, "agent-spool, which keeps the journal, has ended");
    return journal_reserve(ledger->journal, size, error);
}

/* The document whose audit records the engine takes, NULL if they go to a file. */
static struct stage_document *audited(const struct ledger *ledger) {
    struct stage_document *document = journal_stage(ledger->journal);
    return document != NULL && document->audit ? document : NULL;
}

bool ledger_logs(const struct ledger *ledger) {
    return ledger->audit != NULL || audited(ledger) != NULL;
}

bool ledger_logs_in_stage(const struct ledger *ledger) {
    return audited(ledger) != NULL;
}

jv ledger_located(const struct ledger *ledger, jv record) {
    struct stage_document *document = journal_stage(ledger->journal);
    if (document == NULL)
        return record;
    record = json_set_string(record, "spool", document->spool);
    return json_set_string(record, "document", document->name);
}

/* Takes the records. */
static jv located(const struct ledger *ledger, jv records) {
    for (int i = 0; i < jv_array_length(jv_copy(records)); i++)
        records =
            jv_array_set(records, i, ledger_located(ledger, jv_array_get(jv_copy(records), i)));
    return records;
}

bool ledger_log(const struct ledger *ledger, jv records, bool once, struct error *error) {
    struct stage_document *document = audited(ledger);
    struct stage_document *own = journal_stage(ledger->journal);
    if (document == NULL && own != NULL && !stage_settle(own, error)) {
        jv_free(records); /* whoever goes on with the document logs what its journal has */
        return false;
    }
    if (document == NULL)
        return audit_append(ledger->audit, located(ledger, records), once, error);
    struct stage_message message = stage_message_new(STAGE_AUDIT, document->number);
    message.entries = audit_stamp(located(ledger, records));
    message.once = once;
    bool good = stage_ask(document, &message, NULL, error);
    stage_message_free(&message);
    return good;
}

bool ledger_started(struct ledger *ledger, jv call, struct error *error) {
    return !ledger_logs(ledger) ||
           ledger_log(ledger, JV_ARRAY(audit_facts(call, "started")), false, error);
}
