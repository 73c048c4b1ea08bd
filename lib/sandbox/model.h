/* A model that follows a script (script.h), behind the APIs of several makers. */
#ifndef CIBA_SANDBOX_MODEL_H
#define CIBA_SANDBOX_MODEL_H

#include "sandbox/model_api.h"
#include "sandbox/reply.h"
#include "sandbox/request.h"
#include "sandbox/sandbox.h"

void model_list(struct sandbox *sandbox, const struct sandbox_request *request,
                struct sandbox_reply *reply);
/* Answers a request in this API, by a stream if that is asked for. */
void model_answer(struct sandbox *sandbox, const struct model_api *api,
                  const struct sandbox_request *request, struct sandbox_reply *reply);

#endif
