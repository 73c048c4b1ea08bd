/* Waits for the decisions on documents, those of standard input or those of agent-spool, and writes
 * each when nothing in it has to be waited for any more. */
#ifndef CIBA_CIBA_POLL_DOCUMENTS_H
#define CIBA_CIBA_POLL_DOCUMENTS_H

#include "ciba/notifier.h"
#include "ciba/poller.h"

#include <stdbool.h>

enum { POLL_LAST_MS = 800 /* for the answers of open requests, at the end */ };

struct poll_settings {
    bool quiet;                   /* write no document, and say only what went wrong */
    bool verbose;                 /* each step is told already: do not say who is waited for */
    double max_wait;              /* seconds, 0 for no limit */
    int signals;                  /* of signals_catch: when one has come, what is held is written */
    int watch;                    /* of notification_spool_watch, -1 for none; not closed here */
    struct notifier *on_decision; /* is told of each decision; NULL for none */
    struct poller_settings poll;  /* give_back and decided are set here */
};

/* Reads documents from stdin to its end, and writes each to stdout. After a signal or max_wait it
 * writes the rest unchanged. Says on stderr who is waited for, and what came of it. Returns the
 * exit status, the worst of all calls; 65 if there was no document, or with `quiet` no approval. */
int poll_documents(struct client *client, const struct poll_settings *settings);

/* The same with the documents that agent-spool gives to this stage (stage.h), until it has no more;
 * max_wait is for each document. */
int poll_stage(struct client *client, const struct poll_settings *settings);

/* Whether there may be new notifications; what `watch` has to say is read. */
bool poll_was_notified(const struct poll_settings *settings);

/* Until when to wait at most if it is to be noticed that there are: a folder that cannot be watched
 * is looked into each second. */
double poll_until(const struct poll_settings *settings, double end);

#endif
