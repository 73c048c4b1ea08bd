/* The lines of a stream, as they arrive. */
#ifndef CIBA_MCP_LINES_H
#define CIBA_MCP_LINES_H

#include "json/span.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Zeroed: empty. The owner calls lines_free. */
struct lines {
    char *bytes;
    size_t start, end, room;
    size_t searched; /* up to here there is no newline */
};

/* Reads once, as read(2) does, what the descriptor has. Returns what read returns. */
ssize_t lines_read(struct lines *lines, int descriptor);

/* The next whole line, with its newline. Valid until the next call. False if there is none yet. */
bool lines_next(struct lines *lines, struct json_span *line);

/* What has arrived of the next line. */
struct json_span lines_rest(const struct lines *lines);

/* Forgets that. */
void lines_drop_rest(struct lines *lines);

void lines_free(struct lines *lines);

#endif
