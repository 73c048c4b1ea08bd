/* The content of an audit log line about a call. */
#ifndef CIBA_APPROVAL_AUDIT_FACTS_H
#define CIBA_APPROVAL_AUDIT_FACTS_H

#include <jv.h>

/* An id that is the same each time the same event of the same request is logged; a new one if
 * auth_req_id is NULL. */
jv audit_event_id(const char *event, const char *auth_req_id, jv call);

/* Who was asked what, about which call. No token; the auth_req_id only as its digest, for matching
 * lines with requests. */
jv audit_facts(jv call, const char *event);

/* The facts of the call's newest event: executed, decided, or asked. */
jv audit_newest_facts(jv call);

/* Who acts for the user, as the call's access token says it if that is a JWT (`act`, RFC 8693
 * §4.1), unverified; invalid if it does not. What is larger than 4 KiB is only "(too large)". */
jv audit_actor(jv call);

#endif
