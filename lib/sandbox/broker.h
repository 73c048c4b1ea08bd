/* The part of Alpaca's Trading API v2 that stock-buy uses, for an account with little money. */
#ifndef CIBA_SANDBOX_BROKER_H
#define CIBA_SANDBOX_BROKER_H

#include "sandbox/reply.h"
#include "sandbox/request.h"
#include "sandbox/sandbox.h"

/* Places an order. */
void broker_order(struct sandbox *sandbox, const struct sandbox_request *request,
                  struct sandbox_reply *reply);

/* Answers with the order of a client_order_id. */
void broker_find(struct sandbox *sandbox, const struct sandbox_request *request,
                 struct sandbox_reply *reply);

#endif
