/* The conversation in a document: its messages in OpenAI's form, its tools, and the calls made from
 * the model's tool calls. */
#ifndef CIBA_MODEL_CONVERSATION_H
#define CIBA_MODEL_CONVERSATION_H

#include "base/error.h"

#include <jv.h>
#include <stdbool.h>

/* The document with one more message. Takes it. */
jv conversation_add_message(jv document, const char *role, const char *content);

/* The document with the tools of a -t file added, in the place of those of the same name. A
 * definition, or an array of them, may be in OpenAI's form, the bare function, Anthropic's form, or
 * an answer of MCP's tools/list. False and an error with status 65, and then the document is
 * unchanged. */
bool conversation_add_tools(jv *document, jv definitions, struct error *error);

/* Appends the results of the calls of the model's last answer as `tool` messages, once all have a
 * result. Takes the document and returns it. */
jv conversation_fold_results(jv document);

/* The first call of the model's last answer without a result; NULL if there is none. The text is
 * valid while the document lives unchanged. */
const char *conversation_unfinished_call(jv document);

/* Whether it is the model's turn: the last message is from the user or a tool. */
bool conversation_is_models_turn(jv document);

/* Appends the model's message, and a call for each of its tool calls. A call gets an error as its
 * result at once if its tool is not defined, or its arguments do not match the schema or are not
 * checked by `deadline` (schema.h). Reports the first few of these. Takes document and message. */
jv conversation_take_message(jv document, jv message, double deadline);

/* The text of a message's content: the content itself, or its text parts joined; the caller
 * frees. */
char *conversation_content_text(jv content);

/* The text of the last message if it is the model's, else NULL; the caller frees. */
char *conversation_text(jv document);

#endif
