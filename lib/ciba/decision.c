#include "ciba/decision.h"

#include "base/clock.h"
#include "ciba/live_line.h"
#include "ciba/poller.h"
#include "ciba/proof.h"
#include "document/call.h"
#include "json/json.h"

#include <math.h>

struct outcome {
    jv document;
    int status;
};

static void keep_document(void *context, jv document, int status) {
    *(struct outcome *)context = (struct outcome){document, status};
}

jv decision_wait(struct client *client, struct ledger *ledger, jv call, double max_wait,
                 int *status) {
    struct poller_settings settings = {.parallel = 1, .gate = true, .ledger = ledger};
    double end = max_wait > 0 ? clock_elapsed() + max_wait : INFINITY;
    jv document = json_set(jv_object(), "calls", JV_ARRAY(call));
    struct outcome outcome = {jv_invalid(), STATUS_INTERNAL};
    struct poller *poller = poller_new(client, &settings, keep_document, &outcome);
    poller_add(poller, document, NULL);
    bool live = !is_verbose() && live_line_wanted();
    while (poller_waiting(poller) > 0 && clock_elapsed() < end) {
        poller_step(poller, NULL, 0, live ? fmin(end, clock_elapsed() + 1) : end);
        if (live)
            live_line_show(poller);
    }
    live_line_wipe();
    bool approved = poller_approved(poller) == 1;
    poller_free(poller);
    jv calls = json_get(outcome.document, "calls");
    jv_free(outcome.document);
    *status = outcome.status == STATUS_DONE && !approved ? STATUS_INTERNAL : outcome.status;
    return jv_array_get(calls, 0);
}

jv decision_reused(struct client *client, struct ledger *ledger, jv call, int *status) {
    struct proof proof = {.client = client, .ledger = ledger};
    struct error error;
    if (proof_of_approval(&proof, call, status) && !proof_holds(&proof, call, &error))
        report_error(status, call_label(call), &error);
    return call;
}
