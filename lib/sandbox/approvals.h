/* The requests to the user and the decisions on them. */
#ifndef CIBA_SANDBOX_APPROVALS_H
#define CIBA_SANDBOX_APPROVALS_H

#include "sandbox/sandbox.h"

#include <jv.h>
#include <stdbool.h>

/* A request to the user. */
struct approval {
    struct approval *next, *next_of_name; /* of all; of those whose auth_req_id has the same hash */
    char *auth_req_id;
    char *id; /* its name on the phone */
    jv asked; /* the parameters of the request */
    bool notified;
    double asked_at, decided_at, expires_at, last_answer_at;
    double interval; /* seconds */
    enum { WAITING, APPROVED, DENIED, USED } state;
};

/* A new request, which the user sees from now on; `asked` is taken, `expiry` in seconds. It lives
 * as long as the sandbox. */
struct approval *approval_new(struct sandbox *sandbox, jv asked, double expiry);

/* The request with this auth_req_id, NULL if there is none. */
struct approval *approval_of(struct sandbox *sandbox, const char *auth_req_id);

/* Updates a request that is undecided, by the clock and --approve. */
void approval_refresh(struct sandbox *sandbox, struct approval *approval);

/* Decides as the user; false if it is decided or expired already. */
bool approval_decide(struct sandbox *sandbox, struct approval *approval, bool approve);

/* What the user reads; lives as long as the approval. */
const char *approval_message(const struct approval *approval);

void approvals_free(struct sandbox *sandbox);

#endif
