/* The sandbox's HTTP server: libmicrohttpd in a thread of its own. */
#ifndef CIBA_SANDBOX_SERVER_H
#define CIBA_SANDBOX_SERVER_H

#include "base/error.h"
#include "sandbox/sandbox.h"

#include <stdbool.h>

/* Listens on a free (or the given) port of 127.0.0.1, with TLS if `certificate` and `key` (PEM
 * text) are given, and sets origin, host and issuer. False and an error on failure. */
bool server_start(struct sandbox *sandbox, unsigned short port, const char *certificate,
                  const char *key, struct error *error);
void server_stop(void);

#endif
