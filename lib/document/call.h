/* A call: what the model (or a script) wants done, who was asked, and the outcome.
 * man/ciba-document.5 describes its members. */
#ifndef CIBA_DOCUMENT_CALL_H
#define CIBA_DOCUMENT_CALL_H

#include "base/error.h"

#include <jv.h>
#include <stdbool.h>

enum { DOCUMENT_FORMAT = 1 };

/* Whether this version knows the document's format and all its statuses; others are left unchanged.
 * A `format` that is not a number belongs to another program and is ignored. False and an error
 * with status 65. */
bool document_is_known(jv document, struct error *error);

/* The document with its `format` set, after its calls were changed. Takes it. */
jv document_mark(jv document);

enum call_state {
    CALL_DONE,     /* has a result */
    CALL_NEW,      /* to be asked: nobody has been asked, asking failed, or the token was lost */
    CALL_PENDING,  /* asked, no decision yet */
    CALL_APPROVED, /* approved, not executed yet */
    CALL_DENIED,
    CALL_EXPIRED,
    CALL_FAILED /* there will be no decision any more */
};

enum call_state call_state(jv call);

/* The call's id, for messages: "call" if it has none. Valid while the call lives unchanged. */
const char *call_id(jv call);

/* What messages call it: its id if its document has several calls, else its tool's name, or NULL if
 * it has none: an id that a command has made up says nothing, nor does the name of the command
 * itself (ciba-run), with which each message begins. Lives as long as the call does
 * unchanged. */
const char *call_label(jv call);

/* How many calls the document has that the next messages are about. */
void call_label_among(int calls);

/* "sha-256:…" over the RFC 8785 form of {name, arguments}; the caller frees. NULL and an error with
 * status 65 if a number in the arguments cannot be held exactly. Caches the latest result. */
char *call_digest(jv call, struct error *error);

/* Whether the call is the one that the user was asked about: its digest is the authorization's, and
 * its place is proven if others were asked about with it (together.h). False and an error with
 * status 65. */
bool call_unchanged(jv call, struct error *error);

/* The call with status, error and error_description of its authorization set, and next_poll_at
 * removed. Known secrets (redact.h) are replaced. Takes the call. */
jv call_settle(jv call, const char *status, const char *error, const char *description);

/* The exit status for an authorization: 0 approved, or nobody asked; 1 denied or expired; 75
 * pending; else by its error, until the call has a result. */
int call_exit_status(jv call);

#endif
