#include "mcp/lines.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    READ_SIZE = 64 * 1024, /* bytes at once */
    KEPT_SIZE = 1 << 20    /* an empty buffer that has grown beyond is given back */
};

static void make_room(struct lines *lines) {
    if (lines->start == lines->end)
        lines->start = lines->end = lines->searched = 0;
    if (lines->end == 0 && lines->room > KEPT_SIZE)
        lines_free(lines);
    if (lines->room - lines->end >= READ_SIZE)
        return;
    if (lines->start > 0) {
        memmove(lines->bytes, lines->bytes + lines->start, lines->end - lines->start);
        lines->end -= lines->start;
        lines->searched -= lines->start;
        lines->start = 0;
    }
    if (lines->room - lines->end < READ_SIZE) {
        lines->room = 2 * lines->room + READ_SIZE;
        lines->bytes = must_grow(lines->bytes, lines->room);
    }
}

ssize_t lines_read(struct lines *lines, int descriptor) {
    make_room(lines);
    ssize_t got = read(descriptor, lines->bytes + lines->end, READ_SIZE);
    lines->end += got > 0 ? (size_t)got : 0;
    return got;
}

bool lines_next(struct lines *lines, struct json_span *line) {
    if (lines->searched == lines->end)
        return false;
    char *from = lines->bytes + lines->searched;
    char *newline = memchr(from, '\n', lines->end - lines->searched);
    if (newline == NULL) {
        lines->searched = lines->end;
        return false;
    }
    *line = (struct json_span){lines->bytes + lines->start,
                               (size_t)(newline + 1 - lines->bytes) - lines->start};
    lines->start += line->size;
    lines->searched = lines->start;
    return true;
}

struct json_span lines_rest(const struct lines *lines) {
    return (struct json_span){lines->bytes != NULL ? lines->bytes + lines->start : NULL,
                              lines->end - lines->start};
}

void lines_drop_rest(struct lines *lines) {
    lines->start = lines->searched = lines->end;
}

void lines_free(struct lines *lines) {
    free(lines->bytes);
    *lines = (struct lines){.bytes = NULL};
}
