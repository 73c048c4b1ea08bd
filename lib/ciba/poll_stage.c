#include "base/clock.h"
#include "ciba/poll_documents.h"
#include "document/stage.h"
#include "document/step.h"
#include "system/signals.h"

#include <math.h>

static void give_back(void *context, struct stage_document *stage, jv document, int status) {
    (void)context;
    bool changed = !jv_identical(jv_copy(stage->document), jv_copy(document));
    step_give_back(stage, document, changed, &status);
}

static void tell_decision(void *context, jv decision) {
    const struct poll_settings *settings = context;
    notifier_tell(settings->on_decision, decision);
    jv_free(decision);
}

/* Waits until agent-spool has no more documents, or a signal has come. False and an error if
 * agent-spool is gone. */
static bool wait_with(struct poller *poller, const struct poll_settings *settings,
                      struct error *error) {
    const double most = settings->max_wait > 0 ? settings->max_wait : INFINITY;
    bool more = stage_open(true, error);
    struct stage_document *stage;
    while (more && signals_caught() == 0 && (more = stage_receive(error))) {
        int descriptors[3] = {settings->signals, stage_socket(), settings->watch};
        while ((stage = stage_come()) != NULL)
            poller_add_stage(poller, stage, most);
        poller_step(poller, descriptors, settings->watch >= 0 ? 3 : 2,
                    poll_until(settings, poller_leave_late(poller)));
        if (poll_was_notified(settings))
            poller_look_for_notifications(poller);
    }
    return more || error->status == STATUS_DONE;
}

int poll_stage(struct client *client, const struct poll_settings *settings) {
    struct error error;
    struct stage_document *stage;
    int status = STATUS_DONE;
    struct poller_settings poll = settings->poll;
    poll.give_back = give_back;
    poll.decided = settings->on_decision != NULL ? tell_decision : NULL;
    struct poller *poller = poller_new(client, &poll, NULL, (void *)settings);
    http_end_calls_at(client->issuer.http, settings->signals, INFINITY);
    bool good = wait_with(poller, settings, &error);
    if (!good)
        report_error(&status, NULL, &error);
    poller_give_up(poller, good ? POLL_LAST_MS / 1000.0 : 0);
    while ((stage = stage_come()) != NULL)
        give_back(NULL, stage, jv_copy(stage->document), STATUS_NOT_YET);
    poller_free(poller);
    return status;
}
