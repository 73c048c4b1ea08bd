/* What every command that executes approved calls must do around the execution itself. */
#ifndef CIBA_EXECUTOR_H
#define CIBA_EXECUTOR_H

#include "error.h"
#include "record.h"

#include <jv.h>
#include <stdbool.h>

/* Executes one call: `arguments` and `access_token` are sound, the call is what was approved. `key`
 * names this execution, however often it is tried (the Idempotency-Key header). Returns the result;
 * invalid if it is not known whether it was done, or if it was not done and may be tried again:
 * then the call stays as it is, and *status and a complaint tell. */
typedef jv (*executor_work)(void *context, jv call, const char *access_token, const char *key,
                            int *status);

struct executor {
    const char *tool;      /* the calls of this name */
    bool proves_key;       /* tokens of the type DPoP are taken too: `work` proves the key */
    bool without_approval; /* the operator has said that this tool needs none: what nobody was asked
                            * about is executed with `access_token` NULL */
    bool at_most_once;     /* what was begun before a crash is not done again */
    struct record *record; /* where executions are written down */
    executor_work work;
    void *context;
};

/* Whether the token of the call is bound to a key (RFC 9449). */
bool executor_token_is_dpop(jv call);

/* A filter_step (filter.h) whose context is a struct executor. Calls of other names and calls with
 * a result pass. A denied, expired or failed one gets the refusal as its result. An approved one is
 * executed if it is unchanged since the user was asked (record_trusts), its token is there, is a
 * Bearer token, has not expired, and its authorization_details agree with what was asked; else it
 * is refused. One nobody has decided on stays (status 75). The token goes as soon as there is a
 * result. What the journal has the result of is not done again. */
jv executor_document(void *context, jv document, int *status);

/* A result: `error` NULL for a success, else a short word for what went wrong. `status` is the HTTP
 * or exit status, or -1 for none. Takes the content. */
jv executor_result(int status, const char *error, jv content);

#endif
