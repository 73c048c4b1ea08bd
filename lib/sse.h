/* Server-Sent Events, as the HTML standard has their stream ("9.2.6 Interpreting an event stream"):
 * cut anywhere, with any of its line ends, comments, and data of several lines. */
#ifndef CIBA_SSE_H
#define CIBA_SSE_H

#include <stdbool.h>
#include <stddef.h>

enum { SSE_LIMIT = 16 * 1024 * 1024 /* bytes of a line, and of an event's data */ };

/* Takes an event: its name ("message" if it has none) and its data, with a 0 byte behind it. False
 * ends the stream. */
typedef bool (*sse_taker)(void *context, const char *event, const char *data, size_t size);

struct sse_text {
    char *text;
    size_t size, room;
};

/* A stream that is being read. All but the first two are zeroed before its first bytes. */
struct sse {
    sse_taker take;
    void *context;
    struct sse_text line, data;
    char event[80];
    bool begun, after_return, has_data;
};

/* Takes the next bytes. False if the taker said so, or a limit is passed. */
bool sse_push(struct sse *stream, const char *bytes, size_t size);

/* The end of the stream: an event that was not closed by an empty line is given out too, since
 * there are servers that end so. Frees what the stream holds. */
bool sse_end(struct sse *stream);

#endif
