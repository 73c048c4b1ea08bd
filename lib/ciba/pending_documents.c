#include "ciba/pending_documents.h"

#include "base/clock.h"
#include "ciba/next_poll.h"
#include "ciba/notification_spool.h"
#include "ciba/token_answer.h"
#include "document/call.h"
#include "document/decision_notice.h"
#include "document/together.h"
#include "json/json.h"

#include <stdlib.h>

/* Takes the document. */
static void put_out(struct pending_documents *pending, struct waiting_document *waiting,
                    jv document) {
    if (waiting->previous != NULL)
        waiting->previous->next = waiting->next;
    else
        pending->documents = waiting->next;
    if (waiting->next != NULL)
        waiting->next->previous = waiting->previous;
    else
        pending->earliest = waiting->previous;
    pending->count--;
    int status = proof_document_status(&pending->proof, document, waiting->status);
    if (waiting->stage != NULL)
        pending->give_back(pending->context, waiting->stage, document, status);
    else
        pending->output(pending->context, document, status);
    pending->size -= (double)waiting->size;
    waiting_document_free(waiting);
}

/* Ends the wait for a call; its document is `document`. Takes the document. */
static void end_wait(struct pending_documents *pending, struct waiting_document *owner,
                     jv document) {
    owner->pending--;
    if (owner->pending == 0)
        put_out(pending, owner, document);
    else
        waiting_document_keep(owner, document, NULL);
}

void pending_leave(struct pending_documents *pending, struct pending_request *request) {
    request->next_poll_at = clock_now() + request->when.due - clock_elapsed();
    for (size_t i = 0; i < request->count; i++) {
        struct pending_call at = request->calls[i];
        jv call = pending_request_put_times(request, pending_request_call(request, i));
        end_wait(pending, at.owner,
                 document_put_call(at.index, waiting_document_take(at.owner), call));
    }
    if (request->share != NULL)
        shared_request_left(&pending->shared, request->share, request);
    else
        pending_request_free(request);
}

/* Stops expecting a notification for a decided call. */
static void forget_notification(const struct pending_documents *pending, jv call) {
    jv authorization = json_get(call, "authorization");
    const char *digest = json_string(authorization, "notification_digest");
    if (pending->spool != NULL && digest != NULL)
        notification_spool_forget(pending->spool, digest);
    jv_free(authorization);
}

/* Tells that the call is decided, if it was not. */
static void tell(const struct pending_documents *pending, jv before, jv after) {
    if (pending->decided == NULL)
        return;
    jv notice = decision_notice(before, after);
    if (jv_is_valid(notice))
        pending->decided(pending->context, notice);
    else
        jv_free(notice);
}

/* Records the decisions on the calls of a request, which are taken: in a stage each in the journal
 * of its own document. Returns the calls. */
static jv record(struct pending_documents *pending, const struct pending_request *request, jv calls,
                 int *status) {
    struct ledger *ledger = pending->proof.ledger;
    jv recorded = jv_array();
    for (size_t i = 0, next; i < request->count; i = next) {
        struct waiting_document *owner = request->calls[i].owner;
        jv own = jv_array();
        for (next = i;
             next < request->count && (owner->stage == NULL || request->calls[next].owner == owner);
             next++)
            own = jv_array_append(own, jv_array_get(jv_copy(calls), (int)next));
        ledger_resume(ledger, owner->journal);
        recorded = jv_array_concat(recorded, ledger_decided(ledger, own, status));
        owner->journal = ledger_set_aside(ledger);
    }
    jv_free(calls);
    return recorded;
}

/* Ends the wait for a request with its calls decided. Takes the calls. */
static void decide(struct pending_documents *pending, struct pending_request *request, jv calls) {
    int status = STATUS_DONE;
    calls = record(pending, request, calls, &status);
    pending_request_worsen(request, status);
    jv first = jv_array_get(jv_copy(calls), 0);
    forget_notification(pending, first); /* once its content is recorded */
    if (request->share != NULL)
        shared_request_decided(&pending->shared, request->share, first);
    jv_free(first);
    for (size_t i = 0; i < request->count; i++) {
        struct pending_call at = request->calls[i];
        jv call = jv_array_get(jv_copy(calls), (int)i);
        pending->approved += call_state(call) == CALL_APPROVED;
        tell(pending, jv_null(), call);
        jv document = document_put_call(at.index, waiting_document_take(at.owner), call);
        end_wait(pending, at.owner, document_mark(document));
    }
    jv_free(calls);
    pending_request_free(request);
}

bool pending_has_notification(const struct pending_documents *pending,
                              const struct pending_request *request) {
    return request->expects && notification_spool_has(pending->spool, request->digest);
}

static struct pending_request *add_request(struct pending_documents *pending, jv call) {
    struct pending_request *request = pending_request_new(call, pending->spool != NULL);
    if (pending_has_notification(pending, request))
        request->when.due = 0;
    else if (request->expects && !pending->once)
        request->when.due = clock_elapsed() + next_poll_safety(request);
    heap_push(&pending->heap, &request->when);
    return request;
}

/* Gives a call of a shared request what came of that already. Takes the call, and returns it. False
 * if it was asked something else, as the document says. */
static bool add_late(struct pending_documents *pending, struct shared_request *share,
                     struct waiting_document *waiting, jv *call) {
    jv decided = together_decide(*call, share->outcome);
    if (!jv_is_valid(decided))
        return false;
    jv_free(*call);
    jv calls = ledger_decided(pending->proof.ledger, JV_ARRAY(decided), &waiting->status);
    *call = jv_array_get(calls, 0);
    pending->approved += call_state(*call) == CALL_APPROVED;
    return true;
}

/* Waits for a pending call. Takes the call, and returns it. */
static jv add_pending(struct pending_documents *pending, struct waiting_document *waiting,
                      int index, jv call) {
    struct shared_request *share = shared_request_of(&pending->shared, call);
    bool decided = share != NULL && jv_is_valid(share->outcome);
    if (share != NULL && share->left) {
        call = pending_request_put_times(share->request, call);
    } else if (!decided || !add_late(pending, share, waiting, &call)) {
        struct pending_request *request = share != NULL ? share->request : NULL;
        if (request == NULL)
            request = add_request(pending, call);
        pending_request_add(request, waiting, index);
        pending->awaited += request->sent;
        if (share != NULL && !decided)
            request->share = share, share->request = request;
    }
    if (share != NULL)
        shared_request_forget(&pending->shared, share);
    return call;
}

/* Adds one call of a document: sets a decision from before a crash, waits for a pending one. Takes
 * the call, and returns it. */
static jv add_call(struct pending_documents *pending, struct waiting_document *waiting, int index,
                   jv call) {
    bool was_pending = call_state(call) == CALL_PENDING;
    call = ledger_catch_up(pending->proof.ledger, call, &waiting->status);
    if (call_state(call) == CALL_PENDING)
        call = ledger_remembered(pending->proof.ledger, call, &waiting->status);
    if (was_pending && call_state(call) != CALL_PENDING)
        forget_notification(pending, call);
    if (call_state(call) == CALL_APPROVED)
        pending->approved += proof_of_approval(&pending->proof, call, &waiting->status);
    else if (call_state(call) == CALL_PENDING &&
             proof_may_poll(&pending->proof, call, &waiting->status))
        call = add_pending(pending, waiting, index, call);
    return call;
}

/* Takes the document, and returns it; identical if no call has changed. */
static jv add_calls(struct pending_documents *pending, struct waiting_document *waiting,
                    jv document) {
    jv calls = json_array(document, "calls");
    int count = jv_array_length(jv_copy(calls));
    bool changed = false;
    for (int i = 0; i < count; i++) {
        jv call = jv_array_get(jv_copy(calls), i);
        jv outcome = jv_copy(call);
        if (jv_get_kind(call) == JV_KIND_OBJECT)
            outcome = add_call(pending, waiting, i, outcome);
        tell(pending, call, outcome);
        if (jv_identical(call, jv_copy(outcome))) {
            jv_free(outcome);
        } else {
            calls = jv_array_set(calls, i, outcome);
            changed = true;
        }
    }
    if (changed)
        return document_mark(json_set(document, "calls", calls));
    jv_free(calls);
    return document;
}

static struct waiting_document *new_waiting(struct pending_documents *pending) {
    struct waiting_document *waiting = waiting_document_new();
    waiting->next = pending->documents;
    if (pending->documents != NULL)
        pending->documents->previous = waiting;
    else
        pending->earliest = waiting;
    pending->documents = waiting;
    pending->count++;
    return waiting;
}

/* Adds its calls. Takes the document, and returns it. */
static jv begin(struct pending_documents *pending, struct waiting_document *waiting, jv document) {
    struct error error;
    call_label_among(jv_array_length(json_array(document, "calls")));
    if (document_is_known(document, &error) && ledger_begin(pending->proof.ledger, &error)) {
        document = add_calls(pending, waiting, document);
    } else {
        report(NULL, "%s", error.text);
        waiting->status = error.status;
    }
    waiting->journal = ledger_set_aside(pending->proof.ledger);
    return document;
}

/* Waits for its calls, or puts it out. Takes document and text. */
static void keep(struct pending_documents *pending, struct waiting_document *waiting, jv document,
                 char *text) {
    if (waiting->pending == 0) {
        free(text);
        put_out(pending, waiting, document);
        return;
    }
    waiting_document_keep(waiting, document, text);
    pending->size += (double)waiting->size;
}

void pending_documents_add(struct pending_documents *pending, jv document,
                           const struct document_reader *reader) {
    jv read = jv_copy(document);
    struct waiting_document *waiting = new_waiting(pending);
    document = begin(pending, waiting, document);
    bool same = jv_identical(read, jv_copy(document)) && reader != NULL && waiting->pending > 0;
    keep(pending, waiting, document, same ? document_as_read(reader) : NULL);
}

void pending_documents_add_stage(struct pending_documents *pending, struct stage_document *stage,
                                 double deadline) {
    struct waiting_document *waiting = new_waiting(pending);
    waiting->stage = stage;
    waiting->deadline = deadline;
    stage_work_on(stage);
    jv document = begin(pending, waiting, jv_copy(stage->document));
    stage_work_on(NULL);
    if (waiting->pending > 0) { /* kept as text, it takes less memory */
        jv_free(stage->document);
        stage->document = jv_invalid();
    }
    keep(pending, waiting, document, NULL);
}

jv pending_hear(struct pending_documents *pending, jv call, const struct word *word,
                enum ciba_next *next, struct error *error) {
    *error = (struct error){STATUS_DONE, ""};
    *next = CIBA_DECIDED;
    if (word->answer != NULL)
        return ciba_poll_answer(pending->proof.client, call, word->answer, next, error);
    if (jv_is_valid(word->notification))
        return ciba_take_notification(pending->proof.client, call, word->notification, next, error);
    if (word->trouble->status == STATUS_DONE)
        return call_settle(call, "expired", "expired_token", NULL);
    return call_settle(call, "failed", "server_unavailable", word->trouble->text);
}

void pending_decide(struct pending_documents *pending, struct pending_request *request, jv first,
                    const struct word *word) {
    jv calls = JV_ARRAY(jv_copy(first));
    for (size_t i = 1; i < request->count; i++) {
        jv call = pending_request_call(request, i), decided = together_decide(call, first);
        struct error error;
        enum ciba_next next;
        if (jv_is_valid(decided)) {
            jv_free(call);
        } else {
            decided = pending_hear(pending, call, word, &next, &error);
            if (error.status != STATUS_DONE && call_exit_status(decided) > STATUS_NO)
                report(call_label(decided), "%s", error.text);
        }
        calls = jv_array_append(calls, decided);
    }
    jv_free(first);
    decide(pending, request, calls);
}
