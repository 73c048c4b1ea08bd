/* A request as the parts of the sandbox read it. */
#ifndef CIBA_SANDBOX_REQUEST_H
#define CIBA_SANDBOX_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

struct sandbox_request {
    const char *method, *path, *host, *authorization, *content_type, *idempotency_key;
    const char *broker_key_id, *broker_secret_key, *client_order_id;
    const char *accept, *accept_encoding, *dpop;
    const char *api_key; /* of a model that does not take it as a Bearer token */
    const char *body;    /* followed by a 0 byte */
    size_t size;
};

/* Whether the Content-Type is this type. A page of another site cannot send JSON's type without
 * asking first (CORS preflight). */
bool body_is(const struct sandbox_request *request, const char *type);

#endif
