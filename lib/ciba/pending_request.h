/* What ciba-poll waits for: a request that the user has not answered, with what polling it needs,
 * and the calls that it is about. So a poll that says "not yet" touches no document. */
#ifndef CIBA_CIBA_PENDING_REQUEST_H
#define CIBA_CIBA_PENDING_REQUEST_H

#include "base/heap.h"
#include "ciba/waiting_document.h"

#include <jv.h>
#include <stdbool.h>

enum {
    LONGEST_WAIT = 90 /* seconds: longest pause after failed polls, unless the interval is longer */
};

/* A call that waits for it. */
struct pending_call {
    struct waiting_document *owner;
    int index; /* in the document's calls */
};

struct pending_request {
    struct heap_item when;        /* time of the next poll */
    struct pending_call *calls;   /* at least one */
    size_t count, room;           /* of the calls */
    struct shared_request *share; /* if it is for several calls, else NULL */
    char *auth_req_id;
    char *digest; /* for its notification, NULL if none is expected */
    bool expects; /* the notification has not arrived yet */
    int troubles; /* tries in a row without an answer about the user */
    bool told;    /* waiting was reported (verbose output) */
    bool sent;    /* a poll is under way */
    bool polled;
    bool outlived;       /* by our clock the request has expired, but the provider still waits */
    double interval;     /* seconds */
    double lifetime;     /* of the request, seconds */
    double deadline;     /* expiry time, as clock_elapsed; so is when.due */
    double next_poll_at; /* for a request that is left, as clock_now */
};

/* The request of a pending call, which still has to be added; freed by pending_request_free. */
struct pending_request *pending_request_new(jv call, bool expects);
void pending_request_free(struct pending_request *request);

/* Adds a call that waits for it, and counts it in its document. */
void pending_request_add(struct pending_request *request, struct waiting_document *owner,
                         int index);

/* One of its calls in its current state; `place` is in `calls`. */
jv pending_request_call(const struct pending_request *request, size_t place);

/* What messages call it: its call, or how many there are. `call` is the first. Valid until the next
 * such call. */
const char *pending_request_label(const struct pending_request *request, jv call);

/* The call with what a later command must know: when it may be polled next, and its interval. Takes
 * it. */
jv pending_request_put_times(const struct pending_request *request, jv call);

/* Makes the status of each document worse that waits for it. */
void pending_request_worsen(const struct pending_request *request, int status);

#endif
