/* A stock API that accepts an order only with a token that the provider issued for it. */
#ifndef CIBA_SANDBOX_STOCK_H
#define CIBA_SANDBOX_STOCK_H

#include "sandbox/reply.h"
#include "sandbox/request.h"
#include "sandbox/sandbox.h"

void stock_portfolio(struct sandbox *sandbox, struct sandbox_reply *reply);
void stock_order(struct sandbox *sandbox, const struct sandbox_request *request,
                 struct sandbox_reply *reply);

#endif
