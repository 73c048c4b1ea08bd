/* Reads error messages of model servers, in each of their formats. */
#ifndef CIBA_MODEL_CHAT_ERROR_H
#define CIBA_MODEL_CHAT_ERROR_H

#include "http/http.h"

#include <jv.h>

/* The answer's JSON body, the caller's. False and an error if the answer is no success; then sets
 * *passes if a retry may help, and *body to its JSON, if any, for inspection. */
bool chat_answer_body(const struct http_answer *answer, jv *body, bool *passes,
                      struct error *error);

/* The same for an error event in a stream that had begun well. */
void chat_stream_error(jv failure, const char *request_id, bool *passes, struct error *error);

#endif
