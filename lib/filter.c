#include "filter.h"

#include "call.h"
#include "documents.h"
#include "json.h"
#include "workers.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

/* What was done, and now stands nowhere else. */
static jv report_lost_call(void *context, jv call, int *status) {
    (void)context;
    (void)status;
    jv result = json_get(call, "result"), authorization = json_get(call, "authorization");
    if (jv_is_valid(result)) {
        char *text = json_text(result);
        complain(call_id(call), "its result could not be written: %.1500s", text);
        free(text);
    } else if (jv_is_valid(authorization)) {
        const char *state = json_string(authorization, "status");
        complain(call_id(call), "its authorization (%s) could not be written",
                 state != NULL ? state : "");
    }
    jv_free(result);
    jv_free(authorization);
    return call;
}

/* Writes what has come of a document, which is taken: as it was read, where it is the same. */
static bool write_outcome(jv before, jv outcome, const struct document_reader *reader,
                          int *status) {
    struct error error;
    bool same = reader != NULL && jv_identical(jv_copy(before), jv_copy(outcome));
    bool good = !jv_is_valid(outcome) ||
                (same ? document_write_as_read(reader, &error) : document_write(outcome, &error));
    if (!good) {
        complain("stdout", "%s", error.text);
        *status = status_worse(*status, error.status);
        outcome = filter_calls(outcome, report_lost_call, NULL, status);
    }
    jv_free(outcome);
    return good;
}

static bool do_step(filter_step step, void *context, jv document,
                    const struct document_reader *reader, int *status) {
    jv before = jv_copy(document);
    bool good = write_outcome(before, step(context, document, status), reader, status);
    jv_free(before);
    return good;
}

bool filter_do(filter_step step, void *context, jv document, int *status) {
    return do_step(step, context, document, NULL, status);
}

/* What was done is told when it cannot be written. */
static void survive_broken_pipe(void) {
    signal(SIGPIPE, SIG_IGN);
}

int filter_run_one(filter_step step, void *context, jv document) {
    int status = STATUS_DONE;
    survive_broken_pipe();
    filter_do(step, context, document, &status);
    return status;
}

int filter_run(filter_step step, void *context, const struct filter_jobs *jobs) {
    survive_broken_pipe();
    if (jobs != NULL && jobs->count > 1)
        return workers_run(step, context, jobs);
    struct document_reader *reader = document_reader_new(STDIN_FILENO);
    int status = STATUS_DONE;
    struct error error;
    enum document_event event;
    bool writable = true;
    jv document;
    while (writable && (event = document_next(reader, &document, &error)) != DOCUMENT_END) {
        bool good = true;
        if (event == DOCUMENT_READY)
            writable = do_step(step, context, document, reader, &status);
        else if (event == DOCUMENT_MORE)
            good = document_reader_fill(reader, &error);
        else
            good = false;
        if (!good) {
            complain("stdin", "%s", error.text);
            status = status_worse(status, error.status);
        }
    }
    document_reader_free(reader);
    return status;
}

jv filter_calls(jv document, call_step step, void *context, int *status) {
    jv calls = json_get(document, "calls");
    if (jv_get_kind(calls) != JV_KIND_ARRAY) {
        jv_free(calls);
        return document;
    }
    int count = jv_array_length(jv_copy(calls));
    bool changed = false;
    for (int i = 0; i < count; i++) {
        jv call = jv_array_get(jv_copy(calls), i);
        if (jv_get_kind(call) == JV_KIND_OBJECT) {
            jv outcome = step(context, jv_copy(call), status);
            bool same = jv_identical(jv_copy(call), jv_copy(outcome));
            changed = changed || !same;
            if (same)
                jv_free(outcome);
            else
                calls = jv_array_set(calls, i, outcome);
        }
        jv_free(call);
    }
    if (changed)
        return json_set(document, "calls", calls);
    jv_free(calls);
    return document;
}
