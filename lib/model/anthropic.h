/* Anthropic's Messages API, in two files: requests, and answers with their streams. */
#ifndef CIBA_MODEL_ANTHROPIC_H
#define CIBA_MODEL_ANTHROPIC_H

#include "model/chat_api.h"

#include <jv.h>

/* For models that know no output_config: a tool that must be called, whose arguments are the
 * answer. */
#define ANTHROPIC_ANSWER_TOOL "answer_in_json"

/* The request, as chat_dialect.request. */
jv anthropic_request(const struct chat_wishes *wishes, jv document, struct error *error);

/* Whether a block of text is empty: the API sends some and refuses them. */
bool anthropic_is_empty(jv block);

#endif
