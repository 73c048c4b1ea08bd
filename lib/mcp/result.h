/* What a tool of an MCP server answered, as a document holds it. MCP, Tools, Tool Result. */
#ifndef CIBA_MCP_RESULT_H
#define CIBA_MCP_RESULT_H

#include <jv.h>

/* What went wrong: "tool_failed" if the tool says so (isError), "input_required" or "task" if the
 * result would have to be waited or asked for, which is not done here, or "unknown_result". NULL
 * for a success. */
const char *mcp_result_problem(jv result);

/* What the model is told: the text, if the content is one text and nothing else, or has no parts
 * and a `structuredContent`, which is then its JSON text; the reason in words if the result cannot
 * be continued; otherwise the array of parts, of which each has a type that a document knows. */
jv mcp_result_content(jv result);

#endif
