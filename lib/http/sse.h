/* Server-Sent Events, as in the HTML standard ("9.2.6 Interpreting an event stream"): input split
 * anywhere, all line endings, comments, multi-line data. */
#ifndef CIBA_HTTP_SSE_H
#define CIBA_HTTP_SSE_H

#include <stdbool.h>
#include <stddef.h>

enum { SSE_LIMIT = 16 * 1024 * 1024 /* bytes of a line, and of an event's data */ };

/* Receives an event: its name ("message" if it has none) and its data, followed by a 0 byte. False
 * ends the stream. */
typedef bool (*sse_taker)(void *context, const char *event, const char *data, size_t size);

struct sse_text {
    char *text;
    size_t size, room;
};

/* A stream being read. Zero all but the first two members before its first bytes. */
struct sse {
    sse_taker take;
    void *context;
    struct sse_text line, data;
    char event[80];
    bool begun, after_return, has_data;
};

/* Processes the next bytes. False if the receiver returned false or a limit is exceeded. */
bool sse_push(struct sse *stream, const char *bytes, size_t size);

/* The end of the stream. Also delivers a last event without its closing empty line, because some
 * servers end like that. Frees what the stream holds. */
bool sse_end(struct sse *stream);

#endif
