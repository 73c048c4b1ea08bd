/* Sets up, starts and stops the sandbox. */
#ifndef CIBA_SANDBOX_CONFIGURE_H
#define CIBA_SANDBOX_CONFIGURE_H

#include "base/error.h"
#include "sandbox/sandbox.h"

#include <stdbool.h>

/* Settings from the command line; NULL where not given. They outlive the sandbox. */
struct sandbox_settings {
    const char *approve; /* ask, yes, no or never */
    const char *user, *faults_file, *log_file, *tls_cert_file, *tls_key_file;
    const char *client_key_file, *assertion_key_file, *notification_url;
    double delay, interval; /* seconds; a delay below 0 means not given */
    long port;
    bool quiet;
};

/* Sets up everything, with new secrets; `terminal` tells whether there is one to ask at. False and
 * an error with status 64, 65, 66 or 78. */
bool sandbox_configure(struct sandbox *sandbox, const struct sandbox_settings *settings,
                       bool terminal, struct error *error);

/* Starts serving. False and an error. */
bool sandbox_start(struct sandbox *sandbox, const struct sandbox_settings *settings,
                   struct error *error);

/* Stops a configured sandbox and frees what it has. */
void sandbox_stop(struct sandbox *sandbox);

#endif
