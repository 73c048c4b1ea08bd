/* A provider's notification, CIBA Core 1.0 §10.2 and §10.3: a POST. */
#ifndef CIBA_CIBA_NOTIFICATION_REQUEST_H
#define CIBA_CIBA_NOTIFICATION_REQUEST_H

#include "http/server_request.h"

/* The auth_req_id in the body; the caller frees. NULL if the body is not a JSON object, its type is
 * not JSON, or it has none. */
char *notification_request(const struct server_request *request);

#endif
