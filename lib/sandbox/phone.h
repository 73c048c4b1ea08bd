/* The user's phone: a page that shows what is asked and takes the decision. */
#ifndef CIBA_SANDBOX_PHONE_H
#define CIBA_SANDBOX_PHONE_H

#include "sandbox/reply.h"
#include "sandbox/request.h"
#include "sandbox/sandbox.h"

void phone_show(struct sandbox *sandbox, struct sandbox_reply *reply);
void phone_requests(struct sandbox *sandbox, struct sandbox_reply *reply);
void phone_decide(struct sandbox *sandbox, const struct sandbox_request *request,
                  struct sandbox_reply *reply);

#endif
