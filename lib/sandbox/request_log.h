/* The log of requests, --log-file. */
#ifndef CIBA_SANDBOX_REQUEST_LOG_H
#define CIBA_SANDBOX_REQUEST_LOG_H

#include "sandbox/reply.h"
#include "sandbox/request.h"
#include "sandbox/sandbox.h"

/* Appends a line if there is a log. Contains no secrets: it has no answers and only a few
 * headers. */
void request_log(struct sandbox *sandbox, const struct sandbox_request *request,
                 const struct sandbox_reply *reply);

#endif
