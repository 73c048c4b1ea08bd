/* What is said of a question where the command was started: who was asked what, and the yes. */
#ifndef CIBA_CIBA_ASKED_H
#define CIBA_CIBA_ASKED_H

#include <jv.h>

/* "asked auth0|ann: Deploy 42; expires 10:07", for a pending call. The message is the one that was
 * sent; only one of more than 1,000 bytes is cut here. The time is local, with the date if it is
 * not today's; call tzset(3) before access to files is given up. If the provider named an address
 * where the user can answer, it stands behind the message. The caller frees. */
char *asked_line(jv call);

/* "approved by auth0|ann", for an approved call; for one that was approved before (--reuse), when
 * and what. The caller frees. */
char *approved_line(jv call);

/* Why a call is not approved: "the user said no". The caller frees. */
char *refusal_line(jv call);

#endif
