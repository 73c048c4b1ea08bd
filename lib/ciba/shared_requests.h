/* The requests that ciba-poll knows which are for several calls (together.h), in one document or in
 * several of the stream. The provider gives their token once, so each is polled once for all of
 * its calls, and what came of it is kept until all of them have it. */
#ifndef CIBA_CIBA_SHARED_REQUESTS_H
#define CIBA_CIBA_SHARED_REQUESTS_H

#include "ciba/pending_request.h"

#include <jv.h>
#include <stdbool.h>

struct shared_request {
    char *auth_req_id;
    struct pending_request *request; /* NULL before it is waited for, and once it is decided */
    bool left;                       /* the request is not waited for any more */
    jv outcome;                      /* a call with the decision; invalid before */
    bool *seen;                      /* which of the calls have come */
    int count, missing;              /* all its calls, and those that have not come */
};

/* Zeroed: none. */
struct shared_requests {
    void *tree; /* of tsearch(3) */
    bool brief; /* what came of a request is not kept for calls that come later */
};

/* The one that the pending call, whose place is proven (together_holds), belongs to; counts it as
 * come. NULL if it was asked about alone. */
struct shared_request *shared_request_of(struct shared_requests *shared, jv call);

/* Its request was decided, with this call as an example (stays the caller's); or it is left, and
 * then the request is taken. Forgets it if all its calls have come. */
void shared_request_decided(struct shared_requests *shared, struct shared_request *one, jv call);
void shared_request_left(struct shared_requests *shared, struct shared_request *one,
                         struct pending_request *request);

/* Forgets it if it is decided or left and all its calls have come. */
void shared_request_forget(struct shared_requests *shared, struct shared_request *one);

void shared_requests_free(struct shared_requests *shared);

#endif
