#include "approval/ledger.h"

#include "approval/audit_facts.h"
#include "approval/seal.h"
#include "document/call.h"
#include "json/json.h"

bool ledger_tell(const struct ledger *ledger, jv call, jv facts, bool again, int *status) {
    struct error error;
    if (ledger_log(ledger, JV_ARRAY(facts), again, &error))
        return true;
    report_failure(status, error.status, call_label(call), "cannot write the audit log: %s",
                   error.text);
    return false;
}

/* Marks a call whose newest facts could not be logged, so that the next command that has it logs
 * them. Takes the call. */
static jv mark(const struct ledger *ledger, jv call, bool untold) {
    struct error ignored;
    bool sealed = ledger->seal_key != NULL && ledger_trusts(ledger, call, &ignored);
    if (untold == json_has(call, "untold"))
        return call;
    call = untold ? json_set(call, "untold", jv_true()) : json_delete(call, "untold");
    return sealed ? seal_call(call, ledger->seal_key) : call;
}

jv ledger_tell_facts(const struct ledger *ledger, jv call, jv facts, bool again, int *status) {
    return mark(ledger, call, !ledger_tell(ledger, call, facts, again, status));
}

jv ledger_tell_newest(const struct ledger *ledger, jv call, bool again, int *status) {
    return ledger_logs(ledger)
               ? ledger_tell_facts(ledger, call, audit_newest_facts(call), again, status)
               : call;
}

jv ledger_tell_newest_of_all(const struct ledger *ledger, jv calls, int *status) {
    struct error error;
    if (!ledger_logs(ledger))
        return calls;
    jv facts = jv_array(), marked = jv_array();
    jv_array_foreach(calls, i, call) {
        facts = jv_array_append(facts, audit_newest_facts(call));
        jv_free(call);
    }
    bool told = ledger_log(ledger, facts, false, &error);
    jv_array_foreach(calls, k, told_of) {
        if (!told && k == 0)
            report_failure(status, error.status, call_label(told_of),
                           "cannot write the audit log: %s", error.text);
        marked = jv_array_append(marked, mark(ledger, told_of, !told));
    }
    jv_free(calls);
    return marked;
}

/* With a seal, only what it covers is trusted: a document could invent what was done. */
jv ledger_catch_up(struct ledger *ledger, jv call, int *status) {
    struct error ignored;
    if (!json_has(call, "untold"))
        return call;
    if (ledger->seal_key != NULL && !ledger_trusts(ledger, call, &ignored))
        return call;
    return ledger_tell_newest(ledger, call, true, status);
}

void ledger_note(struct ledger *ledger, jv call, const char *step, const char *key, jv entry,
                 int *status) {
    struct error error;
    if (!journal_add(ledger->journal, step, key, entry, &error))
        report_failure(status, error.status, call_label(call), "cannot write the journal: %s",
                       error.text);
}
