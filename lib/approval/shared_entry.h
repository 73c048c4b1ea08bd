/* Entries of the journal about a request for several calls (together.h): what their authorizations
 * have in common, once, from which each call gets its own again after a crash.
 *
 *   {"authorization", "token", "keys"}
 *
 * `keys` are the keys of the calls' questions in the order in which they were asked about. With a
 * seal's key the entry has a seal of its own, in the authorization. */
#ifndef CIBA_APPROVAL_SHARED_ENTRY_H
#define CIBA_APPROVAL_SHARED_ENTRY_H

#include <jv.h>
#include <stdbool.h>

/* The entry for the request of this call. `seal_key` may be NULL; `keys` may be invalid for an
 * entry about the decision. */
jv shared_entry(jv call, jv keys, const char *seal_key);

/* Whether its seal holds; true without a key. */
bool shared_entry_holds(jv entry, const char *seal_key);

/* What was taken from entries so far. Zeroed at first. */
struct shared_entries {
    jv keys, parts; /* of the newest entry */
    jv taken;       /* how many calls with each key have been given their place: two may be alike */
    bool begun;
};
void shared_entries_free(struct shared_entries *entries);

/* The call, whose question has this key, with its authorization from the entry, sealed if there is
 * a key. Invalid if the entry has no place left for it, or cannot be trusted. */
jv shared_entry_call(struct shared_entries *entries, jv entry, jv call, const char *key,
                     const char *seal_key);

#endif
