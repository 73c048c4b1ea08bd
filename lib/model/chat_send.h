/* One request to a model's server, and its answer, streamed or not. */
#ifndef CIBA_MODEL_CHAT_SEND_H
#define CIBA_MODEL_CHAT_SEND_H

#include "base/error.h"
#include "http/http.h"
#include "model/chat_api.h"

#include <jv.h>
#include <stdbool.h>

/* What is sent where. */
struct chat_sending {
    struct http *http;
    const struct chat_api *api;
    const char *url, *key_header; /* key_header may be NULL */
    jv body;
    bool stream;
    double max_time;                                            /* seconds, 0 for no limit */
    void (*show)(void *context, const char *text, size_t size); /* as in chat_stream */
    void *context;
};

/* What came of it. */
struct chat_outcome {
    jv answer;   /* the answer's body; invalid if there is none */
    jv failure;  /* the body of an error, for inspection */
    long status; /* of HTTP, 0 for none */
    bool passes; /* a retry may help */
    bool shown;  /* some text has been shown */
    double wait; /* seconds that the server asks to wait, -1 for none */
};

/* Sends the request once. False and an error: as chat_ask. The caller frees both values of
 * *outcome. */
bool chat_send(const struct chat_sending *sending, struct chat_outcome *outcome,
               struct error *error);

#endif
