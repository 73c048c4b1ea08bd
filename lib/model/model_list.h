/* The models that a server lists, and which of them is asked if nobody chose one. */
#ifndef CIBA_MODEL_MODEL_LIST_H
#define CIBA_MODEL_MODEL_LIST_H

#include "base/error.h"
#include "http/http.h"
#include "model/chat.h"

#include <jv.h>
#include <stdbool.h>

enum {
    MODEL_LIST_LIMIT = 10000, /* models that are kept */
    MODEL_LIST_PAGES = 20,    /* requests for one list */
    MODEL_LIST_TIME = 60,     /* seconds for the whole list, with all retries */
    MODEL_NAME_LIMIT = 200    /* bytes; a longer name is left out, and one that is not utf8_plain */
};

/* Asks the server for its models. Sets *models to an array of objects, newest first, with `id`,
 * `created` (seconds since 1970, 0 if not told), `owner` (may be missing) and `leaves` (true of one
 * that is deprecated or retired); the caller frees it in any case. Reports how many are left out
 * because of their names, or the limit. Retries as chat_ask. False and an error: 69 unavailable, 77
 * refused, 76 or 78 if there is no such list. */
bool model_list_read(struct http *http, const struct chat_settings *settings, jv *models,
                     struct error *error);

/* Prints them, one a line: the id, or with `verbose` the id, the day it was made and its owner,
 * separated by tabs, "-" for what is not known; nothing in it can control a terminal. The caller
 * frees the text. */
char *model_list_text(jv models, bool verbose);

/* Sets settings->default_model, if neither a flag, the document nor a setting names a model: to the
 * only one that the server lists, or the newest of the families of its API's row. Says so on
 * stderr. Asks the server once per process. False and an error: with status 78, and what to set, if
 * there is none; 69 or 77 if the server cannot be asked. */
bool model_list_choose(struct http *http, struct chat_settings *settings, jv document,
                       struct error *error);

#endif
