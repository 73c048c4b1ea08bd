/* The provider's endpoints about tokens: revocation (RFC 7009) and introspection (RFC 7662), for
 * its one client. */
#ifndef CIBA_SANDBOX_TOKEN_ENDPOINTS_H
#define CIBA_SANDBOX_TOKEN_ENDPOINTS_H

#include "sandbox/reply.h"
#include "sandbox/request.h"
#include "sandbox/sandbox.h"

void token_revocation(struct sandbox *sandbox, const struct sandbox_request *request,
                      struct sandbox_reply *reply);
void token_introspection(struct sandbox *sandbox, const struct sandbox_request *request,
                         struct sandbox_reply *reply);

#endif
