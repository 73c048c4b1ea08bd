/* A lease as it is asked for: which calls it covers, and what the user reads of it. */
#ifndef CIBA_CIBA_LEASE_QUESTION_H
#define CIBA_CIBA_LEASE_QUESTION_H

#include "approval/lease.h"
#include "base/error.h"
#include "json/jq_template.h"

#include <jv.h>
#include <stdbool.h>

/* The options that each command takes that asks. */
/* clang-format off */
#define LEASE_OPTIONS(lease) \
    {0, "lease", "TIME", OPTION_DURATION, &(lease).seconds, \
     "ask for an approval that holds for this time: 90s, 15m, 2h"}, \
    {0, "uses", "N", OPTION_SOME, &(lease).uses, "and for so many calls"}, \
    {0, "lease-if", "FILTER", OPTION_TEXT, &(lease).filter, \
     "and for all calls of the tool whose arguments make this jq filter true"}
/* clang-format on */

struct lease_question {
    struct lease_bound bound;
    struct template *filter; /* NULL: only the same call */
    jv place; /* what else it is bound to, an object; invalid for nothing. Who calls authorizer_call
                 alone may set it */
};

/* Checks what was given: a time and a number of uses, both or neither, within their limits. False
 * and an error with status 64. Free it with lease_question_free in either case. */
bool lease_question_make(struct lease_question *question, const struct lease_bound *bound,
                         struct error *error);
void lease_question_free(struct lease_question *question);

/* The working folder. One that was removed is none: its name is then another each time, so that
 * nothing is bound to it. The caller frees. */
char *working_folder(void);

/* Whether a lease is asked for about a call with these arguments, as from json_normal. *covers is
 * false if there is no lease, or its filter is false. False and an error with status 65 if the
 * filter gives anything but true or false. */
bool lease_question_covers(const struct lease_question *question, jv arguments, bool *covers,
                           struct error *error);

/* The end of the message, ", for 15 min, at most 10 times", which is never cut; the caller frees.
 * The filter stands before it, ", if FILTER", and may be: with it a message would not fit. */
char *lease_question_words(const struct lease_question *question);

#endif
