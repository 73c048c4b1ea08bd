/* The lines of a log put together: what became of each call that somebody was asked about, or that
 * was executed without. */
#ifndef CIBA_REPORT_CALLS_H
#define CIBA_REPORT_CALLS_H

#include "report/logs.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    CALLS_LIMIT = 65536,           /* calls that are kept, the newest */
    CALLS_BYTES = 64 * 1024 * 1024 /* and the bytes of their texts */
};

enum call_text {
    CALL_AGENT,
    CALL_USER,
    CALL_TOOL,
    CALL_MESSAGE,
    CALL_ORDER,
    CALL_ERROR,
    CALL_CLIENT_ID,
    CALL_OS_USER,
    CALL_HOST,
    CALL_SPOOL,
    CALL_DOCUMENT,
    CALL_ID,
    CALL_DIGEST,
    CALL_REQUEST_DIGEST,
    CALL_TEXTS
};

/* What came of the question. */
enum call_outcome {
    OUTCOME_APPROVED,
    OUTCOME_DENIED,
    OUTCOME_EXPIRED,
    OUTCOME_FAILED,
    OUTCOME_PENDING,
    OUTCOME_NOT_ASKED, /* the provider refused to ask */
    OUTCOME_REUSED,
    OUTCOME_LEASED,
    OUTCOME_NONE, /* the logs say of no question */
    OUTCOMES
};
extern const char *const call_outcome_words[OUTCOMES];

/* What came of the call. */
enum call_done { DONE_EXECUTED, DONE_STARTED, DONE_UNANSWERED, DONE_REFUSED, DONE_NOT, DONES };
extern const char *const call_done_words[DONES];

struct reported_call {
    char *text[CALL_TEXTS]; /* NULL where unknown */
    enum call_outcome outcome;
    enum call_done done;
    double first, last;               /* times of its first and last line */
    double asked, decided, completed; /* -1 where unknown */
    double seconds;                   /* from question to answer; -1 unknown */
    double status;
    bool has_status;
    bool whole;    /* all of its lines are as they were written, in their place, and agree */
    bool in_range; /* at least one is in the time that is asked for */
    /* Only calls.c looks at these. */
    struct reported_call *next, *same_place;
    char *key;
    size_t bytes;
};

/* Called for each call, in the order of their first lines. False ends the reading. */
typedef bool calls_visit(void *context, const struct reported_call *call);

struct calls {
    double since, until; /* a line is in range from `since` on, before `until` */
    calls_visit *visit;
    void *context;
    struct reported_call *first, *last, **places; /* a table by key */
    size_t count, bytes;
};

/* Reads all lines of verified logs. Lines about a call that are further apart than CALLS_LIMIT
 * other calls become two calls. False and an error with status 66. */
bool calls_read(struct calls *calls, struct logs *logs, struct error *error);

#endif
