/* Waits for the decisions on many documents at once: each pending call is polled at its own
 * interval, CIBA Core 1.0 §10.1 and §11, never sooner. One loop, no threads. */
#ifndef CIBA_POLLER_H
#define CIBA_POLLER_H

#include "client.h"
#include "documents.h"
#include "record.h"

#include <jv.h>
#include <stdbool.h>
#include <stddef.h>

struct poller;

/* Called with each document that has no call left to wait for (or when poller_give_up is called);
 * takes it. `status` is the worst of its calls' call_exit_status. */
typedef void (*poller_output)(void *context, jv document, int status);

struct poller_settings {
    bool once;     /* poll each call once and then leave it as it stands */
    long parallel; /* at most so many requests are under way at a time */
    const char
        *spool; /* where notifications come in for calls that expect one (spool.h), or NULL */
    bool push;  /* they bring the tokens: such calls are never polled */
    bool gate;  /* something will be done on the strength of the exit status: be as strict as who
                 * executes a call */
    struct record *record; /* where decisions are written down */
};

struct poller *poller_new(struct client *client, const struct poller_settings *settings,
                          poller_output output, void *context);
void poller_free(struct poller *poller);

/* Takes a document, which the reader has just given, or NULL. One with nothing to wait for goes out
 * at once. A call that was asked at another issuer than the client's, or is not what the user was
 * asked (record_trusts), is complained of and left as it is; so is an approval that does not hold:
 * without a seal its ID token must be the issuer's, for this client, user and request. As a `gate`
 * also one that no executor would accept (approval_holds), whose ID token has expired or does not
 * name the request, and each call that nobody was asked about. */
void poller_add(struct poller *poller, jv document, const struct document_reader *reader);

/* Sends the polls that are due and waits: for an answer, for input on one of the descriptors, or
 * for the time `until` (as clock_elapsed has it). Whichever comes first. */
void poller_step(struct poller *poller, const int *descriptors, unsigned count, double until);

/* Looks whether notifications have come: to be called when the spool's descriptor can be read. */
void poller_look_for_notifications(struct poller *poller);

/* How many calls without a result are approved, and that is proven: the provider's answer came
 * here, a seal holds, or an ID token. */
unsigned long poller_approved(const struct poller *poller);

/* How many documents wait. */
size_t poller_waiting(const struct poller *poller);

/* A call that is waited for, invalid if there is none that is not being polled right now; *others
 * is set to how many more there are. */
jv poller_waiting_call(const struct poller *poller, size_t *others);

/* Puts a document out as it stands: nothing in it is polled or checked. Takes it. */
void poller_pass(struct poller *poller, jv document);

/* Puts every document out as it stands. The answers of requests that are under way are waited for,
 * for so many seconds at most: the provider may have given a token away. A request that is
 * abandoned then loses its answer to the provider's own rules. */
void poller_give_up(struct poller *poller, double seconds);

#endif
