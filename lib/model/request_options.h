/* What people ask of a request besides the conversation: by options, and by the document's member
 * `request` (ciba-document(5)), which remembers it for later turns. An option overrides the
 * document. */
#ifndef CIBA_MODEL_REQUEST_OPTIONS_H
#define CIBA_MODEL_REQUEST_OPTIONS_H

#include "base/error.h"
#include "cli/command.h"
#include "model/chat_api.h"

#include <jv.h>
#include <stdbool.h>

enum {
    REQUEST_WORD_LIMIT = 100,         /* bytes of an effort, a verbosity or a tier */
    REQUEST_MEMBERS_LIMIT = 64 << 10, /* bytes of all members of -o as JSON */
    REQUEST_DEPTH_LIMIT = 16          /* levels in them, and names in a dotted NAME */
};

/* Not given: NULL, false, 0, and below 0 for the temperature. */
struct request_options {
    const char *reasoning_effort, *verbosity, *service_tier;
    double temperature;
    bool cache;
    long max_tokens;
    struct option_list members; /* NAME=VALUE */
};

/* The options for a command's table. */
/* clang-format off */
#define REQUEST_OPTIONS(asked) \
    {0, "reasoning-effort", "WORD", OPTION_TEXT, &(asked).reasoning_effort, \
     "how much to think: none, minimal, low, medium, high ..."}, \
    {0, "verbosity", "WORD", OPTION_TEXT, &(asked).verbosity, "how long to answer: low, medium, high"}, \
    {0, "temperature", "N", OPTION_SECONDS, &(asked).temperature, "how freely to choose words, from 0"}, \
    {0, "max-tokens", "N", OPTION_COUNT, &(asked).max_tokens, "limit the answer to N tokens"}, \
    {0, "service-tier", "WORD", OPTION_TEXT, &(asked).service_tier, \
     "what the server serves first: auto, default, flex, priority ..."}, \
    {0, "cache", NULL, OPTION_FLAG, &(asked).cache, "have the server cache the conversation"}, \
    {'o', "option", "NAME=VALUE", OPTION_LIST, &(asked).members, \
     "set any member of the request; VALUE is JSON, or text; may be repeated"}
/* clang-format on */

/* Wishes for nothing. */
#define REQUEST_NO_WISHES                                                                          \
    { .schema = jv_invalid(), .members = jv_invalid(), .temperature = -1 }

/* Whether the options can be used. False and an error with status 64. */
bool request_options_hold(const struct request_options *asked, struct error *error);

/* Merges the options, which hold, into the document's `request`, and sets the wishes from it.
 * Members of -o are kept under the API's name, and no other's are wished. *request is the merged
 * one; the caller frees it in any case, but not before the wishes are used. False and an error with
 * status 65, which says what in the document is wrong; then the document is unchanged. */
bool request_options_merge(const struct request_options *asked, const char *api, jv *document,
                           jv *request, struct chat_wishes *wishes, struct error *error);

#endif
