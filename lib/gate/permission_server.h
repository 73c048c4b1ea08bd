/* The MCP server behind `mcp-gate --permission-prompt`: one tool, approve, which Claude Code calls
 * with {tool_name, input, tool_use_id} before it runs a tool (--permission-prompt-tool), and whose
 * answer is the text of {"behavior":"allow","updatedInput":INPUT} or
 * {"behavior":"deny","message":TEXT}. The server always allows: the gate in front of it asks the
 * user about the tool and its input, and says no in the same form. */
#ifndef CIBA_GATE_PERMISSION_SERVER_H
#define CIBA_GATE_PERMISSION_SERVER_H

#include "base/text.h"
#include "mcp/server.h"
#include "json/span.h"

/* Starts it as a copy of this process, confined to what it has open. False and an error with status
 * 70. */
bool permission_server_start(struct mcp_server *server, struct error *error);

/* Adds the answer to one line of the client, if it has one. */
void permission_server_answer(struct json_span line, struct text *to);

/* The tool that approve is asked about, and its input, from the arguments of its call: false if
 * they are not there. */
bool permission_call(struct json_span arguments, struct json_span *name, struct json_span *input);

/* The result of approve that says no; the caller frees. */
char *permission_refusal(const char *words);

#endif
