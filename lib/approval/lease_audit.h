/* What the audit log says of leases (lease.h). It also is their witness: who can write to the
 * store, but not to the log, cannot put an older copy of a lease's file back without being found.
 */
#ifndef CIBA_APPROVAL_LEASE_AUDIT_H
#define CIBA_APPROVAL_LEASE_AUDIT_H

#include "base/error.h"

#include <jv.h>
#include <stdbool.h>

/* What lease_audit_use logs of the call. */
jv lease_audit_facts(jv call);

/* Logs the use of a lease, `leased`, that the call has been given: with these facts, which are
 * those of lease_audit_facts and perhaps more, and are taken. False and an error: 74 or 65 if
 * it could not be logged; and 65 with *stale if the log has this use already, or the lease's end.
 */
bool lease_audit_use(const char *log, jv call, jv facts, bool *stale, struct error *error);

/* Logs the end of these leases (lease_end), `lease_ended`; `why` is NULL if a person ended them.
 * False and an error with status 74 or 65. */
bool lease_audit_end(const char *log, jv ended, const char *why, struct error *error);

#endif
