/* The conversation in a document: its messages, in OpenAI's form, its tools, and the calls that the
 * model's tool calls become. */
#ifndef CIBA_CONVERSATION_H
#define CIBA_CONVERSATION_H

#include "error.h"

#include <jv.h>
#include <stdbool.h>

/* The document with one more message. Takes it. */
jv conversation_add_message(jv document, const char *role, const char *content);

/* The document with the tools of a -t file added, which replace those of the same name: one
 * definition or an array of them, in OpenAI's form, as the bare function, as Anthropic's, or what
 * MCP's tools/list answers. False and an error with status 65, and then the document is as it was.
 */
bool conversation_add_tools(jv *document, jv definitions, struct error *error);

/* Appends the results of the calls of the model's last answer as `tool` messages, once every one of
 * them has its result. Takes the document and returns it. */
jv conversation_fold_results(jv document);

/* The first call of the model's last answer that still has no result; NULL if there is none. The
 * text lives as long as the document does unchanged. */
const char *conversation_unfinished_call(jv document);

/* Whether it is the model's turn: the last message is from the user or a tool. */
bool conversation_is_models_turn(jv document);

/* Appends the model's message, and a call for each of its tool calls; a call of a tool that is not
 * defined, or with arguments that its schema does not allow, has the error as its result at once.
 * Takes document and message. */
jv conversation_take_message(jv document, jv message);

/* The text of a message's content: itself, or its text parts together; the caller frees. */
char *conversation_content_text(jv content);

/* The text of the last message if it is the model's, NULL otherwise; the caller frees. */
char *conversation_text(jv document);

#endif
