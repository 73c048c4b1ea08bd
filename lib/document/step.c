#include "document/step.h"

#include "document/call.h"
#include "json/json.h"

#include <stdlib.h>

/* Reports what was done, which is now recorded nowhere else. */
static jv report_lost_call(void *context, jv call, int *status) {
    (void)context;
    (void)status;
    jv result = json_get(call, "result"), authorization = json_get(call, "authorization");
    if (jv_is_valid(result)) {
        char *text = json_text(result);
        report(call_label(call), "its result could not be written: %.1500s", text);
        free(text);
    } else if (jv_is_valid(authorization)) {
        const char *state = json_string(authorization, "status");
        report(call_label(call), "its authorization (%s) could not be written",
               state != NULL ? state : "");
    }
    jv_free(result);
    jv_free(authorization);
    return call;
}

bool step_write(jv outcome, bool changed, char *as_read, int *status) {
    struct error error;
    if (changed)
        outcome = document_mark(outcome);
    bool good =
        !jv_is_valid(outcome) || (!changed && as_read != NULL ? document_write_line(as_read, &error)
                                                              : document_write(outcome, &error));
    if (!good) {
        report_error(status, "stdout", &error);
        outcome = document_each_call(outcome, report_lost_call, NULL, status);
    }
    jv_free(outcome);
    return good;
}

void step_report_lost(jv document, int *status) {
    jv_free(document_each_call(document, report_lost_call, NULL, status));
}

jv step_outcome(document_step step, void *context, jv document, bool consumes, bool *changed,
                int *status) {
    struct error error;
    jv before = jv_copy(document);
    call_label_among(jv_array_length(json_array(document, "calls")));
    if (document_is_known(document, &error)) {
        document = step(context, document, status);
    } else {
        report_error(status, NULL, &error);
        if (consumes) {
            jv_free(document);
            document = jv_invalid();
        }
    }
    *changed = !jv_identical(before, jv_copy(document));
    return document;
}

bool step_do(document_step step, void *context, jv document, const struct document_reader *reader,
             bool consumes, int *status) {
    bool changed;
    document = step_outcome(step, context, document, consumes, &changed, status);
    char *as_read = !changed && reader != NULL ? document_as_read(reader) : NULL;
    return step_write(document, changed, as_read, status);
}

bool step_give_back(struct stage_document *stage, jv outcome, bool changed, int *status) {
    struct error error;
    if (changed)
        outcome = document_mark(outcome);
    if (stage_give_back(stage, jv_copy(outcome), changed, *status, &error)) {
        jv_free(outcome);
        return true;
    }
    report_error(status, NULL, &error);
    if (changed)
        step_report_lost(outcome, status);
    else
        jv_free(outcome);
    return false;
}

jv document_each_call(jv document, call_step step, void *context, int *status) {
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
