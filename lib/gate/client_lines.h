/* What the client says to the server. */
#ifndef CIBA_GATE_CLIENT_LINES_H
#define CIBA_GATE_CLIENT_LINES_H

#include "gate/gate.h"

/* Passes a line on as it came, or holds, answers or drops what is in it: calls of gated tools, and
 * what a server might take for one. */
void client_line(struct gate *gate, struct json_span line);

/* Answers a line that is too long to look into, instead of passing it on. */
void client_line_too_long(struct gate *gate);

#endif
