#include "sandbox/approvals.h"

#include "base/clock.h"
#include "base/error.h"
#include "jose/digest.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The head of the list of approvals whose auth_req_id has the same hash (FNV-1a). */
static struct approval **slot_of(struct sandbox *sandbox, const char *auth_req_id) {
    unsigned hash = 2166136261;
    for (; *auth_req_id != '\0'; auth_req_id++)
        hash = (hash ^ (unsigned char)*auth_req_id) * 16777619;
    return &sandbox->by_name[hash % (sizeof sandbox->by_name / sizeof *sandbox->by_name)];
}

struct approval *approval_new(struct sandbox *sandbox, jv asked, double expiry) {
    struct approval *approval = must_alloc(sizeof *approval);
    *approval = (struct approval){.next = sandbox->approvals,
                                  .auth_req_id = random_name(24),
                                  .id = random_name(12),
                                  .asked = asked,
                                  .asked_at = clock_now(),
                                  .expires_at = clock_now() + expiry,
                                  .interval = sandbox->interval};
    sandbox->approvals = approval;
    struct approval **slot = slot_of(sandbox, approval->auth_req_id);
    approval->next_of_name = *slot;
    *slot = approval;
    sandbox_tell(sandbox, "asks %s: %s", sandbox->user, approval_message(approval));
    if (sandbox->notice >= 0 && write(sandbox->notice, "", 1) < 0)
        report(NULL, "the terminal is not told of a request");
    return approval;
}

struct approval *approval_of(struct sandbox *sandbox, const char *auth_req_id) {
    struct approval *approval = *slot_of(sandbox, auth_req_id);
    while (approval != NULL && strcmp(approval->auth_req_id, auth_req_id) != 0)
        approval = approval->next_of_name;
    return approval;
}

const char *approval_message(const struct approval *approval) {
    const char *message = json_string(approval->asked, "binding_message");
    return message != NULL ? message : "";
}

bool approval_decide(struct sandbox *sandbox, struct approval *approval, bool approve) {
    if (approval->state != WAITING || clock_now() >= approval->expires_at)
        return false;
    approval->state = approve ? APPROVED : DENIED;
    approval->decided_at = clock_now();
    sandbox_tell(sandbox, "%s %s: %s", sandbox->user, approve ? "approves" : "denies",
                 approval_message(approval));
    return true;
}

void approval_refresh(struct sandbox *sandbox, struct approval *approval) {
    bool decides = sandbox->mode == APPROVE_YES || sandbox->mode == APPROVE_NO;
    if (decides && clock_now() >= approval->asked_at + sandbox->delay)
        approval_decide(sandbox, approval, sandbox->mode == APPROVE_YES);
}

void approvals_free(struct sandbox *sandbox) {
    while (sandbox->approvals != NULL) {
        struct approval *approval = sandbox->approvals;
        sandbox->approvals = approval->next;
        jv_free(approval->asked);
        free(approval->auth_req_id);
        free(approval->id);
        free(approval);
    }
}
