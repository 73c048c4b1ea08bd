/* Asks a model for the next message of a conversation, by any of the APIs of chat_api.h. */
#ifndef CIBA_CHAT_H
#define CIBA_CHAT_H

#include "chat_api.h"
#include "error.h"
#include "http.h"

#include <jv.h>
#include <stdbool.h>

struct chat_settings {
    const struct chat_api *api;
    const char *base_url;
    const char *api_key; /* NULL for a server that wants none */
    const char *version; /* of the API, where its path has one */
    const char *model;   /* NULL: the document's own, else `default_model` */
    const char *default_model;
    struct chat_wishes wishes; /* `model` is set by chat_ask */
    bool is_default_server;
    long retries;   /* more tries after a failure that may pass */
    long max_usage; /* tokens of a document over all its requests, 0 for no limit */
    double timeout; /* seconds for all tries together, 0 for no limit */
    void (*show)(void *context, const char *text, size_t size); /* of text as it streams, or NULL */
    void *context;
};

/* Settles API, server, key and default model: from flags (NULL where not given), environment
 * (LLM_API and what the API's row names) and the file of -e, which has been loaded. False and an
 * error with status 64, 66 or 78. */
bool chat_configure(struct chat_settings *settings, const char *api, const char *base_url,
                    const char *key_file, struct error *error);

/* The header line with the key; the caller frees. NULL without a key. */
char *chat_key_header(const struct chat_settings *settings);

/* Asks, and appends the answer with conversation_take_message. What passes (a server that is busy
 * or away) is tried again, after the time that the server asks for, or growing, jittered waits;
 * never once text has been shown. *document is replaced; as it was on an error: 65 too long or with
 * parts that the API cannot take, 69 unavailable or cut off, 76 the server broke the protocol, 77
 * refused by key, quota, filter or --max-usage, 78 unknown model or address. */
bool chat_ask(struct http *http, const struct chat_settings *settings, jv *document,
              struct error *error);

#endif
