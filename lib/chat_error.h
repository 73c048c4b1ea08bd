/* What an answer of a model's server says went wrong, in whichever of their shapes it says it. */
#ifndef CIBA_CHAT_ERROR_H
#define CIBA_CHAT_ERROR_H

#include "http.h"

#include <jv.h>

/* The answer's JSON body, the caller's. False and an error if it is not a good answer; then *passes
 * is set if another try may help, and *body, for looking at, is what it says, if it is JSON. */
bool chat_answer_body(const struct http_answer *answer, jv *body, bool *passes,
                      struct error *error);

/* The same for an error that came as an event of a stream that had begun well. */
void chat_stream_error(jv failure, const char *request_id, bool *passes, struct error *error);

#endif
