/* A strict OpenID provider for CIBA in poll mode: discovery, /bc-authorize and /oauth/token. With
 * the scope offline_access its tokens can be refreshed (RFC 6749 §6). */
#ifndef CIBA_SANDBOX_PROVIDER_H
#define CIBA_SANDBOX_PROVIDER_H

#include "sandbox/reply.h"
#include "sandbox/request.h"
#include "sandbox/sandbox.h"

#include <stdbool.h>

/* Generates the key; false on failure. */
bool provider_start(struct sandbox *sandbox);

/* Reads the form of a request and authenticates the client. False with the reply set. */
bool provider_begin(struct sandbox *sandbox, const struct sandbox_request *request, jv *form,
                    struct sandbox_reply *reply);

void provider_metadata(struct sandbox *sandbox, struct sandbox_reply *reply);
void provider_authorize(struct sandbox *sandbox, const struct sandbox_request *request,
                        struct sandbox_reply *reply);
void provider_token(struct sandbox *sandbox, const struct sandbox_request *request,
                    struct sandbox_reply *reply);

#endif
