/* What is told of a user's decision (--on-decision), to programs and people who wait for it. */
#ifndef CIBA_DOCUMENT_DECISION_NOTICE_H
#define CIBA_DOCUMENT_DECISION_NOTICE_H

#include <jv.h>

/* The decision on a call that has none in `before` and has one in `after`, else invalid: an object
 * with `call` (its id), `name`, `user`, `message`, `status` ("approved", "denied", "expired", or
 * "failed": there will be none), `error`, `requested_at`, `expires_at` and `decided_at` (now), as
 * far as they are known; times are seconds since 1970. It has no token, no arguments, and not the
 * provider's name for the request. The calls stay the caller's. */
jv decision_notice(jv before, jv after);

/* The same for all calls of a document, as an array. The documents stay the caller's. */
jv decision_notices(jv before, jv after);

/* The option with which the operator names the program. */
/* clang-format off */
#define ON_DECISION_OPTION(program, command) \
    {0, "on-decision", "PROG", OPTION_TEXT, &(program), \
     command "start PROG with each decision (JSON on stdin)"}
/* clang-format on */

#endif
