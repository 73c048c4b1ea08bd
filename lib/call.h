/* A call: what the model (or a script) wants done, who was asked, and what came of it.
 * man/ciba-document.5 has its members. */
#ifndef CIBA_CALL_H
#define CIBA_CALL_H

#include "error.h"

#include <jv.h>
#include <stdbool.h>

enum call_state {
    CALL_DONE,     /* has a result */
    CALL_NEW,      /* nobody has been asked, asking failed, or the token was lost: to be asked */
    CALL_PENDING,  /* asked, no decision yet */
    CALL_APPROVED, /* and not executed yet */
    CALL_DENIED,
    CALL_EXPIRED,
    CALL_FAILED /* no decision can be had any more */
};

enum call_state call_state(jv call);

/* The call's id, for messages: "call" if it has none. Lives as long as the call does unchanged. */
const char *call_id(jv call);

/* "sha-256:…" over the RFC 8785 form of {name, arguments}; the caller frees. NULL and an error with
 * status 65 if a number in the arguments cannot be held exactly. */
char *call_digest(jv call, struct error *error);

/* Whether the call is the one that the user was asked about: its digest is the authorization's.
 * False and an error with status 65. */
bool call_unchanged(jv call, struct error *error);

/* The call with the authorization, of which status, error and error_description are set;
 * next_poll_at goes. Takes the call. */
jv call_settle(jv call, const char *status, const char *error, const char *description);

/* The exit status that an authorization stands for: 0 approved, or nobody asked; 1 denied or
 * expired; 75 pending; else by its error, until the call has a result. */
int call_exit_status(jv call);

/* The exit status for an error code of the two endpoints (CIBA Core §11, §13; RFC 6749 §5.2), and
 * what to do about it ("" where nothing is known). */
int oauth_error_status(const char *code);
const char *oauth_error_advice(const char *code);

#endif
