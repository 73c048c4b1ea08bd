/* What came of the questions in many documents, in words for people. */
#ifndef CIBA_CIBA_OUTCOMES_H
#define CIBA_CIBA_OUTCOMES_H

#include "document/call.h"

#include <jv.h>
#include <stdbool.h>

/* Zeroed at first; free it with outcomes_free. */
struct outcomes {
    unsigned long count[CALL_FAILED + 1]; /* of calls without a result, by enum call_state */
    char *newest;                         /* of the newest of them, in words */
};
void outcomes_free(struct outcomes *outcomes);

/* Counts the calls of the document that were asked about and have no result. The document stays the
 * caller's. */
void outcomes_add(struct outcomes *outcomes, jv document);

/* Whether one of them was denied or has expired. */
bool outcomes_have_no(const struct outcomes *outcomes);

/* Reports on stderr what came of it if there is one, else how many there are of each; nothing if
 * there is none. */
void outcomes_tell(const struct outcomes *outcomes);

#endif
