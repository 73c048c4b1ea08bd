/* We as the client of an MCP server over stdio: its tools, and calls of them, one at a time.
 *
 * Spoken is 2026-07-28, which is stateless; with a server that does not know it, the newest of the
 * revisions that begin with `initialize`, down to 2024-11-05. No capability is declared, so the
 * server may ask nothing of us but a ping. */
#ifndef CIBA_MCP_CLIENT_H
#define CIBA_MCP_CLIENT_H

#include "base/error.h"
#include "base/text.h"
#include "mcp/lines.h"
#include "mcp/server.h"

#include <jv.h>
#include <stdbool.h>
#include <stddef.h>

struct mcp_client {
    struct mcp_server server;
    struct mcp_server spare; /* for a server that ends when it gets an unknown request */
    const char *name;        /* the server's, in messages */
    size_t limit;            /* bytes of a line of the server */
    struct lines lines;
    struct text out;
    size_t written;      /* of `out` */
    size_t request_left; /* bytes to be written until the request is complete */
    long request;        /* its id */
    jv answer;           /* to it; invalid until it comes */
    bool is_connected, is_stateless, is_closed, has_ended, is_unreadable;
    struct error why; /* why it has ended, or what cannot be read */
    jv discovered;    /* an answer to server/discover that came late; invalid for none */
    int oddities;     /* lines that are no message */
};

/* Starts the server (mcp_server_start), and prepares a second start of it. `limit`: the bytes of a
 * line, at most JSON_SIZE_LIMIT. The argv must live as long as the client. Free it with
 * mcp_client_end in either case. */
bool mcp_client_start(struct mcp_client *client, char *const *argv, const struct program_file *file,
                      size_t limit, struct error *error);

/* Agrees with the server on a revision. False and an error: 69 if it has ended or does not answer
 * within a minute, 76 if it breaks the protocol or speaks no revision of ours. From then on no call
 * is sent. Versioning, Backward Compatibility; Transports, stdio; Lifecycle (2025-11-25). */
bool mcp_client_connect(struct mcp_client *client, struct error *error);

/* The server's tools, as it describes them: objects with a name. Invalid and an error as above;
 * also for more than 10,000 tools or 1000 pages. Tools, Listing Tools. */
jv mcp_client_tools(struct mcp_client *client, struct error *error);

enum mcp_outcome {
    MCP_DONE,     /* the result is there */
    MCP_FAILED,   /* the answer is an error, which the error quotes; it does not tell what was done
                     before */
    MCP_NOT_SENT, /* the server has not got the call, and the error says why */
    MCP_UNKNOWN   /* it has, and what came of it is not known; the error says why */
};

/* Calls a tool, and waits for its result, an object with `content`, at most `timeout` seconds (0
 * for no limit); then the server is told to cancel it. The arguments are sent in RFC 8785 form.
 * Tools, Calling Tools. */
enum mcp_outcome mcp_client_call(struct mcp_client *client, const char *tool, jv arguments,
                                 double timeout, jv *result, struct error *error);

/* Ends the server (mcp_server_end) and frees the client. */
void mcp_client_end(struct mcp_client *client);

#endif
