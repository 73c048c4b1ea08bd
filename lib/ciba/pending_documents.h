/* The documents that ciba-poll waits with, the requests that their calls wait for, and what becomes
 * of the calls when a request is answered or left. When to poll is the poller's (poller.h). */
#ifndef CIBA_CIBA_PENDING_DOCUMENTS_H
#define CIBA_CIBA_PENDING_DOCUMENTS_H

#include "base/heap.h"
#include "ciba/pending_request.h"
#include "ciba/proof.h"
#include "ciba/shared_requests.h"
#include "ciba/token_answer.h"
#include "document/reader.h"

#include <jv.h>
#include <stdbool.h>
#include <stddef.h>

/* Called with each document that has no call left to wait for; takes it. `status` is the worst of
 * its calls' call_exit_status. */
typedef void (*pending_output)(void *context, jv document, int status);

/* The same for a document of a stage, which it takes too. */
typedef void (*pending_give_back)(void *context, struct stage_document *stage, jv document,
                                  int status);

/* Called with each decision (decision_notice.h), which it takes, once it is recorded. */
typedef void (*pending_decided)(void *context, jv decision);

struct pending_documents {
    struct proof proof; /* of what is in the documents */
    const char *spool;  /* of notifications, or NULL */
    bool once;          /* each request is polled once */
    pending_output output;
    pending_give_back give_back; /* NULL where there is no stage */
    pending_decided decided;     /* NULL where nobody is told */
    void *context;
    struct waiting_document *documents, *earliest; /* the newest first; the last of them */
    size_t count;
    struct heap heap; /* of requests, without those whose polls are under way */
    struct shared_requests shared;
    unsigned long approved; /* calls, proven */
    double size;            /* of the kept documents, in bytes */
    size_t awaited;         /* calls of the requests whose polls are under way */
};

/* As poller_add. */
void pending_documents_add(struct pending_documents *pending, jv document,
                           const struct document_reader *reader);

/* The same for a document of a stage (stage.h), which is taken, with when it is given back whatever
 * comes, as clock_elapsed. */
void pending_documents_add_stage(struct pending_documents *pending, struct stage_document *stage,
                                 double deadline);

/* Whether a notification for the request has arrived. */
bool pending_has_notification(const struct pending_documents *pending,
                              const struct pending_request *request);

/* The next two end the wait for a request that is not in the heap, and output the documents that
 * wait for nothing else. */

/* Leaves its calls in their states. Takes the request. */
void pending_leave(struct pending_documents *pending, struct pending_request *request);

/* What decides a request: an answer, a notification, or that its time is over. */
struct word {
    const struct http_answer *answer; /* NULL if it is not that */
    jv notification;                  /* invalid if it is not that */
    const struct error *trouble;      /* why nothing was heard until the end */
};

/* The call after that word. Takes the call, and returns it as ciba_poll_answer does. */
jv pending_hear(struct pending_documents *pending, jv call, const struct word *word,
                enum ciba_next *next, struct error *error);

/* Decides its calls: `first` is what the first of them has become after that word. Each other one
 * that was asked the same becomes the same. A call that says otherwise is not given what is
 * another's: it hears the word by itself. Takes the request, and the call. */
void pending_decide(struct pending_documents *pending, struct pending_request *request, jv first,
                    const struct word *word);

#endif
