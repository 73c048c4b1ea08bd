/* A question of Keycloak's, from its arrival to its end:
 *
 *   {"format", "id", "user", "state", "asked_at", "expires_at",
 *    "bearer", "client", "message", "scope", "acr_values", "consent", "details", "page_token",
 *    "notice", "answer", "callback", "outcome", "log"}
 *
 * `state` is open, answered, or settled. A settled one has no `bearer` and nothing of what was
 * asked: it stays, until the request expires, only to tell the user what became of the answer, and
 * so that the same question is not asked again. `notice` and `callback` say when the user is told
 * of the question next, and Keycloak of the answer: {"tries", "next_at"}. `log` has the lines that
 * are not known to be in the audit log yet. */
#ifndef CIBA_CHANNEL_QUESTION_H
#define CIBA_CHANNEL_QUESTION_H

#include "channel/channel.h"
#include "http/server_request.h"

#include <jv.h>
#include <stdbool.h>

/* Makes the question of Keycloak's request, whose path is checked already: JSON with a login_hint,
 * and a Bearer token, which is a JWT that the realm has signed for itself, and no other token of
 * the realm's. The keys come from the issuer. What the JSON says is not signed. Returns 0, or the
 * HTTP status for refusing the request, and an error that says why: 400, 401 or 415, and 503 if the
 * keys cannot be had in the time that Keycloak waits. Free the question in either case. */
int question_of_request(struct channel *channel, const struct server_request *request, jv *question,
                        struct error *error);

/* Keeps the question, durably, and its line in the audit log. 201 also if it is there already; 400
 * if it could not be read again; 503 if there are too many; 500: then nothing was kept; an error
 * says why. Sets *name to its name,
 * which the caller frees. */
int question_keep(const struct channel *channel, jv question, char **name, struct error *error);

/* Whether it is in that state. */
bool question_is(jv question, const char *state);

/* Whether its time is over. */
bool question_has_expired(jv question);

/* What became of giving an answer. */
enum answer_verdict {
    ANSWER_KEPT,    /* written down, durably: it is the one answer */
    ANSWER_OTHER,   /* the question has been answered already */
    ANSWER_LATE,    /* it has expired */
    ANSWER_UNKNOWN, /* this user has no such question */
    ANSWER_FORGED,  /* it did not come from the user's page */
    ANSWER_FAILED   /* it could not be written: an error with status 74 */
};

/* Gives the user's answer. `page_token` is what only the page of the question shows. */
enum answer_verdict question_answer(const struct channel *channel, const char *user, const char *id,
                                    const char *page_token, bool yes, struct error *error);

/* Adds the lines of the question's `log` to the audit log, each once, and removes them from the
 * question; true if there are none, and without an audit log. False and an error. */
bool question_tell_audit(const struct channel *channel, jv *question, struct error *error);

/* A line for the audit log: what happened to the question. Takes and returns the question. */
jv question_log(const struct channel *channel, jv question, const char *event, const char *outcome);

/* Makes a settled one of it. Takes and returns the question. */
jv question_settle(jv question, const char *outcome);

#endif
