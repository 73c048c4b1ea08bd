#include "http/sse.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool add(struct sse_text *text, const char *bytes, size_t size) {
    if (text->size + size > SSE_LIMIT)
        return false;
    if (text->size + size + 1 > text->room) {
        text->room = 2 * (text->size + size) + 256;
        text->text = must_grow(text->text, text->room);
    }
    if (size > 0)
        memcpy(text->text + text->size, bytes, size);
    text->size += size;
    text->text[text->size] = '\0';
    return true;
}

static bool dispatch(struct sse *stream) {
    bool good = true;
    if (stream->has_data && add(&stream->data, "", 0))
        good = stream->take(stream->context, stream->event[0] ? stream->event : "message",
                            stream->data.text, stream->data.size);
    stream->data.size = 0;
    stream->has_data = false;
    stream->event[0] = '\0';
    return good;
}

/* One line, without its end. */
static bool take_line(struct sse *stream) {
    const char *line = stream->line.text != NULL ? stream->line.text : "";
    size_t size = stream->line.size;
    stream->line.size = 0;
    if (size == 0)
        return dispatch(stream);
    const char *colon = memchr(line, ':', size);
    size_t name = colon != NULL ? (size_t)(colon - line) : size;
    size_t start = name < size ? name + 1 : size;
    start += start < size && line[start] == ' ';
    if (name == 4 && memcmp(line, "data", 4) == 0) {
        bool more = stream->has_data;
        stream->has_data = true;
        return (!more || add(&stream->data, "\n", 1)) &&
               add(&stream->data, line + start, size - start);
    }
    if (name == 5 && memcmp(line, "event", 5) == 0)
        snprintf(stream->event, sizeof stream->event, "%.*s",
                 (int)(size - start < 79 ? size - start : 79), line + start);
    return true; /* a comment, id, retry, or an unknown field */
}

/* Drops a byte order mark at the start, once three bytes have arrived. */
static void drop_mark(struct sse *stream) {
    if (stream->begun || stream->line.size < 3)
        return;
    stream->begun = true;
    if (memcmp(stream->line.text, "\xEF\xBB\xBF", 3) == 0) {
        memmove(stream->line.text, stream->line.text + 3, stream->line.size - 3);
        stream->line.size -= 3;
    }
}

bool sse_push(struct sse *stream, const char *bytes, size_t size) {
    while (size > 0) {
        if (stream->after_return && *bytes == '\n') {
            bytes++, size--;
            stream->after_return = false;
            continue;
        }
        stream->after_return = false;
        size_t length = 0;
        while (length < size && bytes[length] != '\n' && bytes[length] != '\r')
            length++;
        if (!add(&stream->line, bytes, length))
            return false;
        bytes += length;
        size -= length;
        drop_mark(stream);
        if (size > 0) {
            stream->begun = true;
            stream->after_return = *bytes == '\r';
            bytes++, size--;
            if (!take_line(stream))
                return false;
        }
    }
    return true;
}

bool sse_end(struct sse *stream) {
    bool good = (stream->line.size == 0 || take_line(stream)) && dispatch(stream);
    free(stream->line.text);
    free(stream->data.text);
    stream->line = stream->data = (struct sse_text){0};
    return good;
}
