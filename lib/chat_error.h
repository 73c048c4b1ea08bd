/* What a model's server says when it does not answer, in all the shapes that servers have. */
#ifndef CIBA_CHAT_ERROR_H
#define CIBA_CHAT_ERROR_H

#include "error.h"
#include "http.h"

#include <jv.h>
#include <stdbool.h>

/* The JSON object of a good answer, which the caller owns. False, an invalid *body and an error
 * otherwise: with the server's words, the request's id where it has one, and what to do. Status 65
 * too long, 69 unavailable, 76 broken, 77 refused by key or quota, 78 unknown model or address. */
bool chat_answer_body(const struct http_answer *answer, jv *body, struct error *error);

#endif
