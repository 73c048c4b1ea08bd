/* How many times the user is asked about one call because an approval was lost. */
#ifndef CIBA_DOCUMENT_ATTEMPT_H
#define CIBA_DOCUMENT_ATTEMPT_H

#include <jv.h>

/* The authorization of a new question, with its `attempt`: one more than `before`, the call's
 * authorization so far, if the token of that was lost, else the same. Takes the authorization. */
jv attempt_count(jv authorization, jv before);

#endif
