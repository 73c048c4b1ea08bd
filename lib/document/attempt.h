/* What a question takes over from the one before about the same call. */
#ifndef CIBA_DOCUMENT_ATTEMPT_H
#define CIBA_DOCUMENT_ATTEMPT_H

#include <jv.h>

/* The authorization of a new question, with its `attempt`: one more than `before`, the call's
 * authorization so far, if the token of that was lost, else the same; and with its `anew`. Takes
 * the authorization. */
jv attempt_count(jv authorization, jv before);

#endif
