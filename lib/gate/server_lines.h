/* What the server says to the client. */
#ifndef CIBA_GATE_SERVER_LINES_H
#define CIBA_GATE_SERVER_LINES_H

#include "gate/gate.h"

/* Passes a line on as it came, but for the list of tools. Drops what is not clearly a message, and
 * an answer to what the server was not given: a client may take the one or the other for the answer
 * to a call that is held, or to its next one. */
void server_line(struct gate *gate, struct json_span line);

#endif
