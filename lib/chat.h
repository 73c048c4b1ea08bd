/* The model's side of a document: an OpenAI-compatible `/chat/completions`. */
#ifndef CIBA_CHAT_H
#define CIBA_CHAT_H

#include "error.h"
#include "http.h"

#include <jv.h>
#include <stdbool.h>

struct chat_settings {
    const char *base_url; /* to which /chat/completions is appended */
    const char *api_key;  /* NULL for a server that wants none */
    const char *model;    /* NULL: the document's own, else `default_model` */
    const char *default_model;
    long max_tokens; /* 0: the server's own limit */
};

/* The document with one more message. Takes it. */
jv chat_add_message(jv document, const char *role, const char *content);

/* The document with the tools of a -t file added, which replace those of the same name: one
 * definition or an array of them, in OpenAI's form or as the bare function. Takes the document.
 * False and an error with status 65, and then the document is as it was. */
bool chat_add_tools(jv *document, jv definitions, struct error *error);

/* Appends the results of the calls of the model's last answer as `tool` messages, once every one of
 * them has its result. Takes the document and returns it. */
jv chat_fold_results(jv document);

/* The first call of the model's last answer that still has no result; NULL if there is none. The
 * text lives as long as the document does unchanged. */
const char *chat_unfinished_call(jv document);

/* Whether it is the model's turn: the last message is from the user or a tool. */
bool chat_is_models_turn(jv document);

/* Asks the model, appends its answer and turns its tool calls into `calls`; a call of a tool that
 * is not defined, or with arguments that its schema does not allow, has the error as its result at
 * once. *document is replaced; as it was on an error: 65 too long, 69 unavailable or cut off, 76
 * the server broke the protocol, 77 refused by key, quota or filter, 78 unknown model or address.
 */
bool chat_ask(struct http *http, const struct chat_settings *settings, jv *document,
              struct error *error);

/* The text of the last message if it is the model's, NULL otherwise; the caller frees. */
char *chat_text(jv document);

#endif
