/* The result of a call as a message of the conversation. A result with the parts of an MCP tool's
 * answer keeps its text, images and PDF files as parts of OpenAI's form, as in a user's message;
 * what that form has no part for is told in words. MCP, Tools, Tool Result. */
#ifndef CIBA_MODEL_TOOL_RESULTS_H
#define CIBA_MODEL_TOOL_RESULTS_H

#include <jv.h>
#include <stdbool.h>

/* The `tool` message with the result of the call of that id. With an error in the result it has the
 * member `anthropic`, {"is_error": true}: only that API has a place for it. */
jv tool_result_message(const char *id, jv result);

/* Whether the content of a message is text, or parts that are all text. */
bool tool_result_is_text(jv content);

/* The text of a tool message's parts, with images and files told in words: for an API that takes
 * only text from tools. */
jv tool_result_text(jv content);

#endif
