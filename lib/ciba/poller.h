/* Waits for the decisions on many documents at once. Polls each pending call at its own interval,
 * CIBA Core 1.0 §10.1 and §11, never sooner. One loop, no threads. */
#ifndef CIBA_CIBA_POLLER_H
#define CIBA_CIBA_POLLER_H

#include "approval/ledger.h"
#include "ciba/pending_documents.h"
#include "document/reader.h"
#include "oauth/client.h"

#include <jv.h>
#include <stdbool.h>
#include <stddef.h>

struct poller;

struct poller_settings {
    bool once;         /* poll each call once, then leave it in its state */
    long parallel;     /* maximum number of concurrent requests */
    const char *spool; /* where notifications arrive for calls that expect one
                          (notification_spool.h), or NULL */
    bool push;         /* notifications bring the tokens: such calls are never polled */
    bool gate; /* the exit status will be acted on: check as strictly as before executing a call */
    struct ledger *ledger;       /* where decisions are recorded */
    pending_give_back give_back; /* for documents of a stage; NULL where there is none */
    pending_decided decided;     /* with each decision; NULL where nobody is told */
};

/* Each document that has no call left to wait for, or on poller_give_up, goes to `output`. */
struct poller *poller_new(struct client *client, const struct poller_settings *settings,
                          pending_output output, void *context);
void poller_free(struct poller *poller);

/* Takes a document, which `reader` has just returned, or NULL. A document with nothing to wait for
 * is output at once. Reports and leaves unchanged each call that was asked at another issuer, or is
 * not what the user was asked (ledger_trusts), and each approval that does not hold: without a seal
 * its ID token must be from the issuer, for this client, user and request. As a `gate` also each
 * call that an executor would refuse (approval_holds), whose ID token has expired or does not name
 * the request, or that nobody was asked about. */
void poller_add(struct poller *poller, jv document, const struct document_reader *reader);

/* The same for a document of a stage (stage.h), which is taken and goes to `give_back`, at the
 * latest after `most` seconds (INFINITY for never). */
void poller_add_stage(struct poller *poller, struct stage_document *stage, double most);

/* Gives back the documents whose time has come, once no poll of them is under way. Returns when the
 * next one's comes, as clock_elapsed; INFINITY for never. */
double poller_leave_late(struct poller *poller);

/* Sends the polls that are due, then waits for the first of: an answer, input on one of the
 * descriptors, the time `until` (as clock_elapsed). */
void poller_step(struct poller *poller, const int *descriptors, unsigned count, double until);

/* Checks for notifications; call it when the spool's descriptor is readable. */
void poller_look_for_notifications(struct poller *poller);

/* The number of calls without a result that are approved and proven: by the provider's answer in
 * this process, a seal, or an ID token. */
unsigned long poller_approved(const struct poller *poller);

/* The number of waiting documents. */
size_t poller_waiting(const struct poller *poller);

/* A waiting call, invalid if there is none that is not being polled right now; sets *others to the
 * number of the others. */
jv poller_waiting_call(const struct poller *poller, size_t *others);

/* Outputs a document unchanged: nothing in it is polled or checked. Takes it. */
void poller_pass(struct poller *poller, jv document);

/* Outputs every document in its current state. Waits at most that many seconds for the answers of
 * open requests, because the provider may have issued a token. After that, an abandoned request's
 * answer is lost unless the provider repeats it. */
void poller_give_up(struct poller *poller, double seconds);

#endif
