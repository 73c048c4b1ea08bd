/* What every command that executes approved calls must do around the execution itself. */
#ifndef CIBA_EXECUTOR_H
#define CIBA_EXECUTOR_H

#include "error.h"
#include "record.h"

#include <jv.h>
#include <stdbool.h>

/* What came of an execution. */
enum execution {
    EXECUTION_DONE,      /* it was done, or the program was run: the result tells how it went */
    EXECUTION_REFUSED,   /* it was not done, for good: the result says why */
    EXECUTION_NOT_BEGUN, /* nothing was done; it may be tried again */
    EXECUTION_UNKNOWN    /* it may have been done; to be tried again under the same key */
};

/* One execution, for executor_work. */
struct attempt {
    const char *access_token; /* NULL where no approval is needed */
    const char *key;          /* names the execution, however often it is tried: Idempotency-Key */
    bool again;               /* an earlier try may have done it */
};

/* Executes one call, which is what was approved, with its arguments as json_normal has them. Sets
 * *result where it is done or refused. *status and a complaint tell what went wrong. */
typedef enum execution (*executor_work)(void *context, jv call, const struct attempt *attempt,
                                        jv *result, int *status);

struct executor {
    const char *tool;      /* the calls of this name */
    bool proves_key;       /* tokens must be bound to a key (DPoP), which `work` proves */
    bool without_approval; /* the operator has said that this tool needs none: what nobody was asked
                            * about is executed with `access_token` NULL */
    bool spends;           /* an approval is used once, wherever it stands (record_spend) */
    bool at_most_once;     /* what was begun before a crash is not done again */
    struct record *record; /* where executions are written down */
    executor_work work;
    void *context;
};

/* A filter_step (filter.h) whose context is a struct executor. Calls of other names and calls with
 * a result pass. A denied, expired or failed one gets the refusal as its result. An approved one is
 * executed if its approval holds (approval.h) and, where spent approvals are kept (spent.h), was
 * not used before; else it is refused. One nobody has decided on stays (status 75). The token goes
 * as soon as there is a result. What the journal has the result of is not done again. A call that
 * may have been executed keeps that in its authorization (`attempted_at`, sealed), and is never
 * called refused from then on: its outcome is unknown. */
jv executor_document(void *context, jv document, int *status);

/* Whether an HTTP status says that a request was not carried out. Others do not: not 409 and 425,
 * which a server says that is still at an earlier try (draft-ietf-httpapi-idempotency-key-header,
 * RFC 8470); not 408 and 429, which ask for another; not a redirection, which many send after the
 * work; and nothing that is not of RFC 9110 §15.5 or RFC 6585. */
bool executor_is_refusal(long http_status);

/* A result: `error` NULL for a success, else a short word for what went wrong. `status` is the HTTP
 * or exit status, or -1 for none. Takes the content. */
jv executor_result(int status, const char *error, jv content);

#endif
