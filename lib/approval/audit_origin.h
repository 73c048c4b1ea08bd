/* Who writes a line of the audit log: the agent and the client, the user and the machine. */
#ifndef CIBA_APPROVAL_AUDIT_ORIGIN_H
#define CIBA_APPROVAL_AUDIT_ORIGIN_H

#include "base/error.h"

#include <jv.h>
#include <stdbool.h>

/* Looks up the agent's name (CIBA_AGENT), the user of the process and the machine, while files can
 * be read. False and an error with status 78 for a name that is longer than 200 bytes, or that
 * nobody could read. */
bool audit_origin_configure(struct error *error);

/* The client that asks, from now on; NULL for none. It lives as long as the process. */
void audit_origin_client(const char *client_id);

/* Sets in a record what is known: agent, client_id, os_user and host. What it has stays. Takes the
 * record. */
jv audit_origin(jv record);

#endif
