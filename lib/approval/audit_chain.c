#include "approval/audit_chain.h"

#include "approval/audit.h"
#include "jose/digest.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK = 256 * 1024, KEPT_ROOM = 1024 * 1024 };

/* Reads more, after what is there already. False at the end of what is to be read, or on error. */
static bool fill(struct audit_reader *reader, const char *path, struct error *error) {
    ssize_t got;
    if (reader->start > 0 && reader->end > reader->start)
        memmove(reader->buffer, reader->buffer + reader->start, reader->end - reader->start);
    reader->end -= reader->start;
    reader->start = 0;
    if (reader->room < reader->end + BLOCK) {
        reader->room = 2 * reader->end + BLOCK;
        reader->buffer = must_grow(reader->buffer, reader->room);
    }
    size_t most = reader->room - reader->end;
    most = reader->left < most ? (size_t)reader->left : most;
    do
        got = read(reader->fd, reader->buffer + reader->end, most);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        fail(error, STATUS_NO_FILE, "%s: %s", path, strerror(errno));
    reader->ended = got <= 0;
    reader->end += got > 0 ? (size_t)got : 0;
    reader->left -= got > 0 ? (unsigned long long)got : 0;
    return got > 0;
}

/* After a long line its room is given back. */
static void give_back_room(struct audit_reader *reader) {
    if (reader->room <= KEPT_ROOM || reader->end > reader->start)
        return;
    free(reader->buffer);
    reader->buffer = NULL;
    reader->start = reader->end = reader->room = 0;
}

bool audit_reader_next(struct audit_reader *reader, const char *path, const char **line,
                       size_t *size, struct error *error) {
    bool too_long = false;
    size_t looked = 0;
    *error = (struct error){STATUS_DONE, ""};
    give_back_room(reader);
    for (;;) {
        const char *from = reader->buffer == NULL ? NULL : reader->buffer + reader->start;
        size_t there = reader->end - reader->start;
        const char *end =
            from != NULL && there > looked ? memchr(from + looked, '\n', there - looked) : NULL;
        size_t found = end != NULL ? (size_t)(end - from) + 1 : there;
        too_long = too_long || found > AUDIT_LINE_LIMIT;
        if (end != NULL || (reader->ended && (found > 0 || too_long))) {
            *line = too_long ? NULL : from;
            *size = found;
            reader->start += found;
            return true;
        }
        if (reader->ended)
            return false;
        if (too_long)
            reader->start = reader->end = 0;
        looked = too_long ? 0 : there;
        fill(reader, path, error);
        if (error->status != STATUS_DONE)
            return false;
    }
}

void audit_reader_free(struct audit_reader *reader) {
    free(reader->buffer);
    reader->buffer = NULL;
    reader->start = reader->end = reader->room = 0;
}

/* Whether the line, which has a digest, ends as make_line (audit.c) has it: nothing may follow the
 * digest. */
static bool is_as_written(const char *line, size_t size) {
    static const char digest_member[] = ",\"digest\":\"",
                      shape[] = "sha-256:1234567890123456789012345678901234567890123";
    size_t tail = strlen(digest_member) + strlen(shape) + strlen("\"}\n");
    if (size <= tail)
        return false;
    char *digest = digest_of(line, size - tail);
    char *end = must_format("%s%s\"}\n", digest_member, digest);
    bool same = strlen(end) == tail && memcmp(end, line + size - tail, tail) == 0;
    free(end);
    free(digest);
    return same;
}

static bool is_format(const struct audit_line *read) {
    double format;
    return !audit_line_has(read, AUDIT_FORMAT) ||
           (audit_line_number(read, AUDIT_FORMAT, &format) && format == AUDIT_LINE_FORMAT);
}

/* What is wrong with a line by itself, NULL for nothing. */
static const char *line_fault(const char *line, size_t size, struct audit_line *read) {
    if (line == NULL)
        return "is longer than a line of an audit log can be";
    if (line[size - 1] != '\n')
        return "is cut off";
    if (!audit_line_read(read, line, size - 1) || !audit_line_has(read, AUDIT_DIGEST)) {
        memset(read->member, 0, sizeof read->member);
        return "is not a line of an audit log";
    }
    return !is_as_written(line, size) ? "was changed"
           : !is_format(read)         ? "was written by a later version of this command"
                                      : NULL;
}

/* What is wrong with the order of a line and the one before. */
static const char *order_fault(const struct audit_line *read, const struct audit_summary *summary) {
    const char *head = summary->head;
    double number = 0, last = summary->last;
    audit_line_number(read, AUDIT_N, &number);
    bool follows = head == NULL ? !audit_line_has(read, AUDIT_PREVIOUS)
                                : audit_line_is(read, AUDIT_PREVIOUS, head);
    if (summary->lines == 1 && head == NULL && summary->may_follow)
        return NULL;
    if (summary->lines == 1 && head != NULL)
        return follows ? NULL : "does not follow the line with the digest of --after";
    if (summary->lines == 1 && number > 1)
        return "is not the first: those before it are in an earlier file (see --after), or were "
               "removed";
    if (number > last + 1)
        return "does not follow: lines before it were removed, or are in a file that is not given";
    if (number < last + 1)
        return "does not follow: it was moved, or put in twice; is the earliest file given first?";
    return follows ? NULL : "does not follow: the line before it was changed";
}

const char *audit_chain_next(struct audit_summary *summary, const char *line, size_t size,
                             const char *wanted, struct audit_line *read) {
    memset(read->member, 0, sizeof read->member);
    summary->lines++;
    const char *what = line_fault(line, size, read);
    if (what == NULL)
        what = order_fault(read, summary);
    summary->faults += what != NULL;
    summary->last++;
    char *digest = audit_line_text(read, AUDIT_DIGEST);
    if (digest != NULL) {
        audit_line_number(read, AUDIT_N, &summary->last);
        free(summary->head);
        summary->head = digest;
        summary->saw_wanted =
            summary->saw_wanted || (wanted != NULL && strcmp(digest, wanted) == 0);
    }
    return what;
}

bool audit_verify(int fd, const char *path, const char *wanted,
                  void (*fault)(const char *path, unsigned long line, const char *what),
                  struct audit_summary *summary, struct error *error) {
    struct audit_reader reader = {.fd = fd, .left = ULLONG_MAX};
    struct audit_line read = {.other = NULL};
    const char *line;
    size_t size;
    for (unsigned long place = 1; audit_reader_next(&reader, path, &line, &size, error); place++) {
        const char *what = audit_chain_next(summary, line, size, wanted, &read);
        if (what != NULL)
            fault(path, place, what);
    }
    free(read.other);
    audit_reader_free(&reader);
    return error->status == STATUS_DONE;
}
