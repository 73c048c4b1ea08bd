/* What ciba-poll waits for: documents, kept as the text that they will be written as, and of each
 * pending call what polling it needs. So a poll that says "not yet" touches no document. */
#ifndef CIBA_WAITING_H
#define CIBA_WAITING_H

#include "heap.h"

#include <jv.h>
#include <stdbool.h>

enum {
    LONGEST_WAIT =
        90 /* seconds between two polls whose interval is shorter: of a server in trouble */
};

struct waiting_document {
    struct waiting_document *previous, *next;
    char *text;
    int pending; /* calls of it that are waited for */
    int status;  /* what went wrong beside its calls' own status */
};

/* One pending call. */
struct wait {
    struct heap_item when; /* it is polled */
    struct waiting_document *owner;
    char *auth_req_id;
    char *digest; /* under which its notification comes, NULL if there is none to come */
    bool expects; /* it has not come yet */
    int index;    /* in the document's calls */
    int troubles; /* tries in a row without an answer about the user */
    bool told;    /* that it waits */
    bool polled;
    bool outlived;   /* the provider still waits when, by our clock, the request has expired */
    double interval; /* seconds */
    double lifetime; /* of the request, seconds */
    double deadline; /* when it expires, as clock_elapsed has it: so has when.due */
};

/* Of a pending call; freed by wait_free. The owner's count goes up and down with it. */
struct wait *wait_new(struct waiting_document *owner, int index, jv call, bool expects);
void wait_free(struct wait *wait);

/* The document; and the call, as they stand. */
jv waiting_document_read(const struct waiting_document *waiting);
jv wait_call(const struct wait *wait);

/* The document with the call put in at that place. Takes both. */
jv wait_put_call(int index, jv document, jv call);

/* The document with what whoever goes on must know: when the call may be polled next, and how
 * often. Takes it. */
jv wait_put_times(const struct wait *wait, jv document);

/* Keeps the document as it now is. Takes it. */
void waiting_document_write(struct waiting_document *waiting, jv document);

#endif
