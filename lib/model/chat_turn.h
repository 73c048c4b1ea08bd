/* One question to a model, asked until there is an answer: again after failures that may pass,
 * changed by what the server says (chat_adapt.h), by another API if it wants that, and on from
 * where the model paused. */
#ifndef CIBA_MODEL_CHAT_TURN_H
#define CIBA_MODEL_CHAT_TURN_H

#include "base/error.h"
#include "http/http.h"
#include "model/chat_api.h"

#include <jv.h>
#include <stdbool.h>

enum {
    CHAT_ADAPTATIONS_LIMIT = 8, /* changes of one request */
    CHAT_PAUSES_LIMIT = 10      /* times that a model is asked to go on */
};

struct chat_turn {
    struct http *http;
    const struct chat_api *api; /* set to the one that gave the answer */
    bool is_auto;               /* it may become another one */
    bool went_back;             /* set: the server has no Responses API */
    const char *base_url, *version, *key_header;
    bool is_default_server;
    struct chat_wishes wishes; /* with model and server; what is learned is added */
    jv document;               /* the caller's */
    long retries;
    double deadline;                                            /* 0: none */
    void (*show)(void *context, const char *text, size_t size); /* as in chat_stream */
    void *context;
    double last_began; /* set: when the last request was sent */
};

/* Asks. *answer is the caller's. False and an error: as chat_ask. */
bool chat_turn_take(struct chat_turn *turn, jv *answer, struct error *error);

#endif
