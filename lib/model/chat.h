/* Asks a model for the next message of a conversation, through any API of chat_api.h. */
#ifndef CIBA_MODEL_CHAT_H
#define CIBA_MODEL_CHAT_H

#include "base/error.h"
#include "http/http.h"
#include "model/chat_api.h"

#include <jv.h>
#include <stdbool.h>

struct chat_settings {
    const struct chat_api *api;
    const char *base_url;
    const char *api_key; /* NULL for a server without keys */
    const char *version; /* of the API, if its path has one */
    const char *model;   /* NULL: the document's, else `default_model` */
    const char *default_model;
    struct chat_wishes wishes; /* `model` is set by chat_ask */
    bool is_default_server;
    long retries;    /* at most this many after failures that may pass */
    long max_usage;  /* tokens of a document in all its requests, 0 for no limit */
    double deadline; /* for all tries and checking the answer, as clock_elapsed; 0: none */
    double max_time; /* seconds for one request and checking its answer; 0: no limit */
    void (*show)(void *context, const char *text,
                 size_t size); /* receives text as it streams; may be NULL */
    void *context;
};

/* Sets API, server, key and default model from flags (NULL where not given), environment (LLM_API
 * and the names in the API's row) and the -e file, already loaded. False and an error with status
 * 64, 66 or 78. */
bool chat_configure(struct chat_settings *settings, const char *api, const char *base_url,
                    const char *key_file, struct error *error);

/* The header line with the key; the caller frees. NULL without a key. */
char *chat_key_header(const struct chat_settings *settings);

/* Asks, and appends the answer with conversation_take_message. Sets *until to the deadline for
 * checking the answer (INFINITY for none). Retries failures that may pass (a busy or unreachable
 * server) after the time that the server asks for, or growing waits with jitter; never after text
 * has been shown. Replaces *document; on an error it is unchanged: 65 too long or with parts that
 * the API cannot take, 69 unavailable or cut off, 76 the server broke the protocol, 77 refused by
 * key, quota, filter or --max-usage, 78 unknown model or address. */
bool chat_ask(struct http *http, const struct chat_settings *settings, jv *document, double *until,
              struct error *error);

#endif
