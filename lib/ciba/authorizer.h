/* Asks the user about each call of a document that has not been asked about. */
#ifndef CIBA_CIBA_AUTHORIZER_H
#define CIBA_CIBA_AUTHORIZER_H

#include "approval/ledger.h"
#include "ciba/call_question.h"
#include "ciba/lease_question.h"
#include "ciba/notifier.h"
#include "ciba/question_settings.h"
#include "cli/command.h"
#include "system/confinement.h"

#include <jv.h>
#include <stdbool.h>

/* Settings from the command line; NULL and false where not given. */
struct authorizer_settings {
    struct question_settings question;
    struct client_settings client;
    struct ledger_settings ledger;
    const char *notification_dir; /* where notifications arrive (notification_spool.h) */
    const char *notify_command;   /* tells the user of a question (notifier.h) */
    const char *reuse;            /* call, document or agent; no document with no_document */
    struct lease_bound lease;     /* 0 and NULL for none */
    struct option_list tools;     /* only the calls of these tools, if there are any */
    bool together;                /* one question for all (together_authorizer.h) */
    bool ask_again;               /* at once, if an answer was lost */
    bool anew;                    /* also about calls that came to nothing (again.h) */
    bool no_document; /* no document outlives this process: without journal and --spent-dir */
};

/* What each command takes that asks, beside CLIENT_OPTIONS and the options of its records. */
/* clang-format off */
#define AUTHORIZER_OPTIONS(settings) \
    QUESTION_OPTIONS((settings).question), \
    {0, "reuse", "FOR", OPTION_TEXT, &(settings).reuse, \
     "use approvals of the store again: call, document or agent"}, \
    NOTIFIER_OPTION((settings).notify_command), \
    LEASE_OPTIONS((settings).lease), \
    STORE_OPTIONS((settings).ledger)
/* clang-format on */

struct authorizer {
    struct client client;
    struct ledger ledger;
    struct ciba_question question; /* what is the same for each call */
    struct question_texts texts;
    struct lease_question lease;
    struct notifier notifier;
    const struct authorizer_settings *settings;
    jv reuse;    /* for what approvals may be used again, here, in the current document; who calls
                    authorizer_call alone may narrow it. Invalid without --reuse */
    jv offer;    /* of a lease for the current call, invalid if none covers it */
    jv document; /* with the calls, for as long as its calls are asked about; not owned */
    bool anew;   /* the current call came to nothing before: the store is not asked */
    bool told_lost; /* that an answer was lost: once for calls that are asked about together */
};

/* Sets it up from the command line, the environment and the -e file, without network access. False
 * and an error with status 64, 66, 70, 74 or 78. The settings stay the caller's and must outlive
 * it; it must stay at its address. Free it with authorizer_free in either case. */
bool authorizer_configure(struct authorizer *authorizer, const struct authorizer_settings *settings,
                          struct error *error);
void authorizer_free(struct authorizer *authorizer);

/* An approval that may be used again for the same call, and a lease, are for this place alone.
 * Takes it. */
void authorizer_bind(struct authorizer *authorizer, jv place);

/* Adds what it needs of the system. */
void authorizer_needs(const struct authorizer *authorizer, struct confinement *needs);

/* Asks about one call, if it is to be asked about (call_state); the context is a struct authorizer.
 * Takes the call and returns it with its authorization. */
jv authorizer_call(void *authorizer, jv call, int *status);

/* With --details-type, the details (invalid for none) with one that has the whole message and the
 * digest of what is asked. Takes the details. */
jv authorizer_add_message(const struct authorizer *authorizer, const struct ciba_question *question,
                          jv details, const char *digest);

/* A document_step (step.h) whose context is a struct authorizer. Does authorizer_call with each
 * call. Records the intent before and the outcome after each
 * request (ledger.h). If the answer to an earlier request was lost, does not ask again before that
 * request has expired (status 75). */
jv authorizer_document(void *authorizer, jv document, int *status);

/* The steps of both, for those who ask otherwise: */

/* Warns of tools on the command line that the document does not have (tool_name_check). */
void authorizer_check_tools(const struct authorizer *authorizer, jv document);

/* Whether the call is to be asked about now. If the answer to an earlier request is known, or was
 * lost too short a time ago, *call has that. With `anew` in the settings, also a call that came to
 * nothing (again_may_ask): then *call is as if nobody had been asked. authorizer->document must be
 * the document that has it. */
bool authorizer_asks(struct authorizer *authorizer, jv *call, int *status);

/* Gives the call its arguments as they will be executed, however the model spelled its numbers;
 * message and details are made from them. False and an error if a number cannot be held exactly. */
bool authorizer_normalise(jv *call, struct error *error);

/* Asks, by ciba_ask, and has --notify-command tell the user. With --notification-dir it first
 * creates the notification's token and expects it, because the notification may arrive before the
 * provider's answer. Takes the call. */
jv authorizer_ask(struct authorizer *authorizer, struct ciba_question *question, jv call,
                  struct error *error);

#endif
