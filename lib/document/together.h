/* Calls that the user was asked about together, by one request (ciba-authorize --together). The
 * authorization of each has, besides its own call_digest, the member `together`:
 *
 *   {"digest": of the whole list, "index": the call's place, from 0, "of": how many, "path": […]}
 *
 * The digest is the root of a Merkle tree (merkle_tree.h, RFC 9162 §2.1) whose entries are the JSON
 * arrays [index,of,call_digest]; the path is the call's inclusion proof, as base64url. So each call
 * proves by itself that it is the one that was asked about at its place in the list, without the
 * others. */
#ifndef CIBA_DOCUMENT_TOGETHER_H
#define CIBA_DOCUMENT_TOGETHER_H

#include "base/error.h"

#include <jv.h>
#include <stdbool.h>

enum { TOGETHER_LIMIT = 1000 /* calls in one question */ };

/* The members `together` for calls with these digests, an array of strings, in their order. */
jv together_parts(jv digests);

/* Whether the authorization's `together`, of whatever kind, proves that a call with this digest has
 * its place in the list. False and an error with status 65. */
bool together_holds(jv authorization, const char *call_digest, struct error *error);

/* Whether the authorization has a `together`, of whatever kind: it is for several calls. */
bool together_asked(jv authorization);

/* The call's place in the list, -1 if the authorization has none. */
int together_index(jv authorization);

/* How many calls were asked about together, 0 if the authorization does not say so or says
 * something absurd. */
int together_count(jv authorization);

/* What the authorizations of all calls of one request have in common. */
jv together_common(jv authorization);

/* The authorization of one of the calls: what they have in common, and its own. `before` is the
 * authorization that the call had: a lost approval counts as an attempt. */
jv together_authorization(jv common, const char *call_digest, jv part, jv before);

/* Whether two calls of one request were asked the same question, in all that they have in common,
 * and got the same answer. */
bool together_same(jv one, jv other);

/* The pending call with the decision, and the token, of another call of the same request; both were
 * asked the same question in all that they have in common. Invalid if they were not. `decided` may
 * also be what they have in common, with the decision: {"authorization", "token"}. */
jv together_decide(jv call, jv decided);

#endif
