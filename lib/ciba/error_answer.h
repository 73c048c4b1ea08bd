/* Error answers of both endpoints: CIBA Core 1.0 §11 and §13, RFC 6749 §5.2. */
#ifndef CIBA_CIBA_ERROR_ANSWER_H
#define CIBA_CIBA_ERROR_ANSWER_H

#include "base/error.h"
#include "http/message.h"

#include <jv.h>

/* The call settled by an error answer: denied, expired or failed, with the provider's code and
 * description; *error says what to do (status as oauth_error_status). Takes the call. */
jv settle_by_error(jv call, jv body, const struct http_answer *answer, struct error *error);

#endif
