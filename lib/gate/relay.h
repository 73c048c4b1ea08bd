/* Moves the bytes between the client, the server and the asker, until one of the first two is
 * gone. */
#ifndef CIBA_GATE_RELAY_H
#define CIBA_GATE_RELAY_H

#include "gate/gate.h"
#include "gate/gate_settings.h"
#include "mcp/server.h"

/* Between stdin and stdout, which are the client's, the server and the asker's connection;
 * `signals` as from signals_catch. Returns the exit status: that of the server; 128 and its number
 * after a signal; 76 if the server's line could not be looked into. */
int relay_run(struct gated_tools *tools, const struct gate_settings *settings,
              struct mcp_server *server, int asker, int signals);

#endif
