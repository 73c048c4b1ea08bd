/* An MCP server over stdio, as a program of the command line. MCP, Transports, stdio. */
#ifndef CIBA_MCP_SERVER_H
#define CIBA_MCP_SERVER_H

#include "base/error.h"
#include "system/process.h"

#include <stdbool.h>

struct mcp_server {
    int input, output; /* our ends of its stdin and stdout: close-on-exec, non-blocking; -1 once
                          closed */
    int keeper;        /* our end of the connection to the process that ends it; readable when the
                          server has ended */
};

/* Starts the server in a process group of its own, without our secrets, with our stderr, and with
 * no other descriptor of ours. A process that does nothing else, the keeper, waits for its end, and
 * ends the server's process group when this process has ended, however: 2 s after that (its stdin
 * is closed then: MCP, stdio, Shutdown) with SIGTERM, 1 s later with SIGKILL. Processes that left
 * the group are not found. Call it before input from others is read, and before confine. From then
 * on SIGPIPE is ignored: writing to a server that has ended fails with EPIPE. False and an error
 * with status 69 if it cannot be started. */
bool mcp_server_start(struct mcp_server *server, char *const *argv, const struct program_file *file,
                      struct error *error);

/* The two halves of mcp_server_start: the first needs the right to start programs, the second needs
 * no right, and takes argv[0] for its messages. mcp_server_end also ends one that was not begun. */
bool mcp_server_prepare(struct mcp_server *server, char *const *argv,
                        const struct program_file *file, struct error *error);
bool mcp_server_begin(struct mcp_server *server, const char *name, struct error *error);

/* Closes its stdin, if that is open, and lets the keeper end it as if this process had ended. Its
 * output can be read further. Needs no right to signal. */
void mcp_server_close(struct mcp_server *server);

/* mcp_server_close, if that was not called; closes its stdout, waits until it has ended, some 4 s
 * at most, and returns its exit status as in a shell; 70 if that is not known because the keeper
 * has ended. */
int mcp_server_end(struct mcp_server *server);

#endif
