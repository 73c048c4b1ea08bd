/* What every command that executes approved calls does before and after the execution. */
#ifndef CIBA_APPROVAL_EXECUTOR_H
#define CIBA_APPROVAL_EXECUTOR_H

#include "approval/ledger.h"
#include "approval/token_keeper.h"
#include "base/error.h"

#include <jv.h>
#include <stdbool.h>

/* The outcome of an execution. */
enum execution {
    EXECUTION_DONE,       /* done, or the program was run: the result tells how it went */
    EXECUTION_REFUSED,    /* not done, for good: the result says why */
    EXECUTION_NOT_BEGUN,  /* nothing was done; a retry is safe */
    EXECUTION_UNKNOWN,    /* possibly done; retry under the same key */
    EXECUTION_TOKEN_ENDED /* not done, as the access token has ended: only with may_renew */
};

/* One execution, for executor_work. */
struct attempt {
    const char *access_token; /* NULL where no approval is needed */
    bool is_dpop;             /* it is bound to a key, whose possession must be proven (RFC 9449) */
    const char *key;          /* Idempotency-Key: the same for all tries of this execution */
    bool again;               /* an earlier try may have succeeded */
    bool may_renew;           /* the token can be refreshed, if it has ended: then this try reports
                                 nothing, and there is another with the new token */
};

/* Executes one approved call, with its arguments as from json_normal. Sets *result if it is done or
 * refused. Reports what went wrong and makes *status worse by it. */
typedef enum execution (*executor_work)(void *context, jv call, const struct attempt *attempt,
                                        jv *result, int *status);

struct executor {
    const char *const *tools; /* executes the calls with these names, up to a NULL */
    bool proves_key; /* tokens must be bound to a key (DPoP), of which `work` proves possession */
    bool without_approval; /* the operator allows this tool without approval: calls that nobody was
                              asked about are executed with `access_token` NULL */
    bool spends;       /* each approval is used only once, in whichever document (spent_begin) */
    bool at_most_once; /* an execution begun before a crash is not repeated */
    struct ledger *ledger;       /* where executions are recorded */
    struct token_keeper *tokens; /* refreshes and revokes tokens; NULL for neither */
    executor_work work;
    void *context;
};

/* A document_step (step.h) whose context is a struct executor. Calls of other names and calls with
 * a result stay unchanged. A denied, expired or failed call gets the refusal as its result. An
 * approved call is executed if its approval holds (approval.h) and was not used before (spent.h, if
 * configured); otherwise it is refused. An undecided call stays (status 75). The token is removed
 * once there is a result, and revoked if `tokens` does that. One that has ended is refreshed first,
 * or when the execution says so, if `tokens` may. An execution whose result is in the journal is
 * not repeated. A call that may have been executed has `attempted_at` in its authorization, sealed.
 * From then on it is never reported as refused: its outcome is unknown. */
jv executor_document(void *context, jv document, int *status);

/* The key of one execution, the same for all its tries. The caller frees; NULL and an error with
 * status 65 if a number in the arguments cannot be held exactly. */
char *executor_key(jv call, struct error *error);

/* Whether an HTTP status proves that a request was not carried out. It does not for: 409 and 425,
 * with which a server may still be working on an earlier try
 * (draft-ietf-httpapi-idempotency-key-header, RFC 8470); 408 and 429, which ask for a retry;
 * redirections, which many servers send after the work; statuses outside RFC 9110 §15.5 and RFC
 * 6585. */
bool executor_is_refusal(long http_status);

/* A result. `error` is NULL for a success, else a short code. `status` is the HTTP or exit status,
 * -1 for none. The executed call's token and other known secrets (redact.h) are replaced. Takes the
 * content. */
jv executor_result(int status, const char *error, jv content);

#endif
