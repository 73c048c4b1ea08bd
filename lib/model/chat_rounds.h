/* Asks a model until it is not its turn any more. */
#ifndef CIBA_MODEL_CHAT_ROUNDS_H
#define CIBA_MODEL_CHAT_ROUNDS_H

#include "http/http.h"
#include "model/chat.h"

#include <jv.h>

/* What a model's answers must be, and how often it hears what is wrong with them. */
struct chat_limits {
    long repairs;    /* how often the model is asked again because its answer is not valid */
    double max_time; /* seconds for all of it, 0: no limit */
};

/* Asks (chat_ask) as long as it is the model's turn: again where its tool calls, or its answer in
 * words by the schema of settings->wishes, are not valid. Sets settings->deadline. Takes the
 * document and gives it with what came; reports what went wrong and makes *status worse by it. */
jv chat_rounds(struct http *http, struct chat_settings *settings, const struct chat_limits *limits,
               jv document, int *status);

#endif
