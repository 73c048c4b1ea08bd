/* The table of which part answers which request. */
#ifndef CIBA_SANDBOX_ROUTES_H
#define CIBA_SANDBOX_ROUTES_H

#include "sandbox/reply.h"
#include "sandbox/request.h"
#include "sandbox/sandbox.h"

/* Answers one request; the caller holds the lock. */
void routes_handle(struct sandbox *sandbox, const struct sandbox_request *request,
                   struct sandbox_reply *reply);

#endif
