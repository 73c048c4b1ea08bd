/* What a list of a spool says of a document. */
#ifndef CIBA_AGENT_LIST_FACTS_H
#define CIBA_AGENT_LIST_FACTS_H

#include "agent/store.h"

#include <jv.h>

enum list_state {
    LIST_PENDING, /* in the queue: a user has not decided */
    LIST_QUEUED,  /* in the queue, and waits for no user */
    LIST_FAILED,
    LIST_DONE,
    LIST_STATES
};

/* The name of a state, in options and in what is printed. */
extern const char *const list_states[LIST_STATES];

/* The facts of a document as an object, as `list --json` prints them: `store` (the spool's name),
 * name, folder, state, due_at (or at, when it was finished), calls, and spool. Of a call they have
 * nothing secret. The document stays the caller's. */
jv list_facts(const char *store, enum store_place place, const char *name, double time,
              jv document);

/* The state that these facts say. */
enum list_state list_state(jv facts);

/* When something was last heard of the document, as seconds since 1970: it was added, its user was
 * asked, or it was finished. */
double list_news(jv facts);

#endif
