/* The messages of MCP: JSON-RPC 2.0, one in a line. MCP, Base Protocol, Messages; Transports,
 * stdio. */
#ifndef CIBA_MCP_MESSAGE_H
#define CIBA_MCP_MESSAGE_H

#include "base/error.h"
#include "base/text.h"
#include "json/span.h"

#include <stdbool.h>
#include <stddef.h>

/* Error codes of JSON-RPC 2.0 §5.1. */
enum {
    MCP_PARSE_ERROR = -32700,
    MCP_INVALID_REQUEST = -32600,
    MCP_METHOD_NOT_FOUND = -32601,
    MCP_INVALID_PARAMS = -32602,
    MCP_INTERNAL_ERROR = -32603
};

struct mcp_message {
    struct json_span id; /* without one: a notification, or no message at all */
    struct json_span params, result, error;
    char *method; /* NULL in a response */
};

/* The JSON of a line: the object of a message, or the array of a batch. False and an error with
 * status 65 for what is not JSON (json_span), or has a carriage return before its end, at which
 * some readers end a line. */
bool mcp_line(struct json_span line, struct json_span *value, struct error *error);
bool mcp_line_is_blank(struct json_span line);

/* Reads one message: an object of a line, or of a batch (2025-03-26). Free it with mcp_message_free
 * in either case. False and an error with status 65 for what two readers may understand
 * differently: a member twice, or with a name that is a known one but for its case; a method that
 * is no text; an id that is neither text nor number. The spans are the line's. */
bool mcp_message_read(struct json_span object, struct mcp_message *message, struct error *error);
void mcp_message_free(struct mcp_message *message);

/* Whether no member of the object has a name twice, and none one of these names (up to a NULL)
 * in other letters. False and an error with status 65. */
bool mcp_members_are_clear(struct json_span object, const char *const *names, struct error *error);

/* The name with each letter in lower case, also those beyond ASCII that some servers take for
 * ASCII's (the Kelvin sign, the long s). The caller frees. */
char *mcp_folded(const char *name);

/* Whether both names are the same then. */
bool mcp_alike(const char *one, const char *other);

/* One text for each id, however it is written: 1 and 1.0, "a" and "\u0061"; numbers that are the
 * same as doubles have the same. The caller frees. */
char *mcp_id_key(struct json_span id);

/* Whether the params say that the client speaks 2026-07-28 or newer: each of its requests says so,
 * there is no initialize. */
bool mcp_is_stateless(struct json_span params);

/* Adds a line: an answer to this id (empty: null) whose result or error is this JSON text. */
void mcp_add_result(struct text *to, struct json_span id, const char *result);
void mcp_add_error(struct text *to, struct json_span id, int code, const char *words);

/* A JSON string of the text; the caller frees. */
char *mcp_string(const char *text);

/* The result of tools/call that says in words why nothing was done (isError). The caller frees. */
char *mcp_refusal(const char *words, bool stateless);

#endif
