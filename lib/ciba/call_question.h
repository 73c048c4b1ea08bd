/* What the user is asked about a call: the message, and the authorization_details. */
#ifndef CIBA_CIBA_CALL_QUESTION_H
#define CIBA_CIBA_CALL_QUESTION_H

#include "json/jq_template.h"

#include <jv.h>
#include <stdbool.h>

/* Their sources. NULL where not given: the default message is the tool and its arguments. */
struct question_texts {
    const char *text; /* the message as it is */
    struct template *message, *details;
    const char *made; /* the default message that a command has made of the call; NULL: the tool and
                         its arguments */
    bool only_tool;   /* the default message is the tool alone: other arguments are meant too */
};

/* Compiles the templates of -m and -d, each NULL where not given. False and an error with status
 * 64. */
bool question_texts_make(struct question_texts *texts, const char *message, const char *details,
                         struct error *error);
void question_texts_free(struct question_texts *texts);

/* Makes both from the call's arguments. The values are the caller's. False and an error with status
 * 65; then the message is invalid if it is the cause. */
bool call_question(const struct question_texts *texts, jv call, jv *message, jv *details,
                   struct error *error);

/* The details (invalid for none), and with them one of this type that has the whole message and the
 * digest of what is asked. A message that details cannot have (details_sound) stands there as JSON
 * text, with escapes for what cannot be seen. Takes the details. */
jv details_with_message(jv details, const char *type, const char *digest, const char *message);
/* Whether the call's arguments are an object. False and an error with status 65. */
bool call_has_arguments(jv call, struct error *error);

/* The same for several calls, at least one, that are asked about together: the templates get an
 * array of {"id", "name", "arguments"}, each where the call has it. The default message has the
 * tools and how many calls there are of each; for a single call it is that of call_question. */
bool calls_question(const struct question_texts *texts, jv calls, jv *message, jv *details,
                    struct error *error);

/* A document with one call that belongs to no tool, for a script or a CI job. The question is its
 * only argument, so that its approval is not valid for another question. */
jv question_document(const struct question_texts *texts);

#endif
