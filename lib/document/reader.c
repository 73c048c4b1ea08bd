#include "document/reader.h"

#include "base/program_name.h"
#include "base/utf8.h"
#include "document/in_words.h"
#include "system/durable_file.h"
#include "json/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { READ_SIZE = 64 * 1024 };

struct document_reader {
    int fd;
    char *buffer;
    size_t start, end, room; /* buffer[start..end) is read but not processed yet */
    unsigned long line;      /* of buffer[start] */
    unsigned long reported;  /* line of the last document */
    size_t last, last_size;  /* position of the last document in the buffer */
    struct json_scan scan;   /* of the document that begins at buffer[start] */
    bool skipping, at_line_start, ended, first;
    bool nothing_piped; /* a terminal: not read, and not reported yet */
};

struct document_reader *document_reader_new(int fd) {
    struct document_reader *reader = must_alloc(sizeof *reader);
    bool is_terminal = isatty(fd);
    *reader = (struct document_reader){.fd = fd,
                                       .line = 1,
                                       .at_line_start = true,
                                       .first = true,
                                       .ended = is_terminal,
                                       .nothing_piped = is_terminal};
    return reader;
}

void document_reader_free(struct document_reader *reader) {
    free(reader->buffer);
    free(reader);
}

unsigned long document_line(const struct document_reader *reader) {
    return reader->reported;
}

/* Wipes what has been processed: it may contain tokens. */
static void forget_used(struct document_reader *reader) {
    size_t used = reader->start;
    if (used == 0)
        return;
    memmove(reader->buffer, reader->buffer + used, reader->end - used);
    reader->end -= used;
    reader->start = 0;
    explicit_bzero(reader->buffer + reader->end, used);
}

bool document_reader_fill(struct document_reader *reader, struct error *error) {
    if (reader->ended)
        return true;
    if (reader->room - reader->end < READ_SIZE) {
        reader->room = 2 * reader->room + READ_SIZE;
        reader->buffer = must_grow(reader->buffer, reader->room);
    }
    ssize_t got;
    do
        got = read(reader->fd, reader->buffer + reader->end, reader->room - reader->end);
    while (got < 0 && errno == EINTR);
    if (got < 0) {
        reader->ended = true;
        return fail(error, STATUS_IO, "cannot read: %s", strerror(errno));
    }
    reader->end += (size_t)got;
    reader->ended = got == 0;
    return true;
}

static void advance(struct document_reader *reader, size_t bytes) {
    for (size_t i = 0; i < bytes; i++)
        reader->line += reader->buffer[reader->start + i] == '\n';
    if (bytes > 0)
        reader->at_line_start = reader->buffer[reader->start + bytes - 1] == '\n';
    reader->start += bytes;
}

/* Skips the rest of a bad document: to the next line that begins with '{'. */
static void skip_bad(struct document_reader *reader) {
    while (reader->skipping && reader->start < reader->end) {
        const char *from = reader->buffer + reader->start;
        if (reader->at_line_start && *from == '{') {
            reader->skipping = false;
            return;
        }
        const char *newline = memchr(from, '\n', reader->end - reader->start);
        advance(reader,
                newline != NULL ? (size_t)(newline - from) + 1 : reader->end - reader->start);
    }
}

static void skip_space(struct document_reader *reader) {
    static const char mark[] = "\xEF\xBB\xBF";
    const char *from = reader->buffer + reader->start;
    size_t size = reader->end - reader->start;
    if (reader->first && size >= 3) {
        reader->first = false;
        if (memcmp(from, mark, 3) == 0)
            reader->start += 3;
    }
    while (reader->start < reader->end && strchr(" \t\r\n\x1e", reader->buffer[reader->start]) &&
           reader->buffer[reader->start] != '\0')
        advance(reader, 1);
}

static enum document_event bad(struct document_reader *reader, struct error *error) {
    char why[sizeof error->text];
    memcpy(why, error->text, sizeof why);
    fail(error, STATUS_INPUT, "line %lu: %.900s", reader->reported, why);
    reader->scan = (struct json_scan){0};
    /* At least one byte, so that the same '{' is not tried again. */
    if (reader->start < reader->end)
        advance(reader, 1);
    reader->at_line_start = false;
    reader->skipping = true;
    return DOCUMENT_BAD;
}

static enum document_event finish(struct document_reader *reader, jv *document,
                                  struct error *error) {
    size_t size = reader->scan.at;
    if (!json_parse_scanned(reader->buffer + reader->start, &reader->scan, document, error))
        return bad(reader, error);
    reader->scan = (struct json_scan){0};
    reader->last = reader->start;
    reader->last_size = size;
    advance(reader, size);
    return DOCUMENT_READY;
}

static enum document_event next(struct document_reader *reader, jv *document, struct error *error) {
    if (reader->nothing_piped) {
        reader->nothing_piped = false;
        fail(error, STATUS_USAGE,
             "a document is expected, from a pipe or a file, and this is a terminal: "
             "llm-chat ... | %s ...; --help tells more",
             program_name());
        return DOCUMENT_BAD;
    }
    if (reader->start < reader->end)
        skip_bad(reader);
    if (reader->start < reader->end && !reader->scan.started)
        skip_space(reader);
    if (reader->start == reader->end)
        return reader->ended ? DOCUMENT_END : DOCUMENT_MORE;
    if (reader->first && !reader->ended)
        return DOCUMENT_MORE;
    reader->reported = reader->line;
    if (reader->buffer[reader->start] != '{') {
        fail(error, STATUS_INPUT, "not a JSON object");
        return bad(reader, error);
    }
    size_t size = reader->end - reader->start;
    if (!json_scan(&reader->scan, reader->buffer + reader->start, size, error))
        return bad(reader, error);
    if (reader->scan.complete)
        return finish(reader, document, error);
    if (size > JSON_SIZE_LIMIT)
        fail(error, STATUS_INPUT, "larger than %d MiB", JSON_SIZE_LIMIT >> 20);
    else if (reader->ended)
        fail(error, STATUS_INPUT, "cut off: the document does not end");
    else
        return DOCUMENT_MORE;
    return bad(reader, error);
}

enum document_event document_next(struct document_reader *reader, jv *document,
                                  struct error *error) {
    enum document_event event = next(reader, document, error);
    if (event == DOCUMENT_MORE || event == DOCUMENT_END)
        forget_used(reader);
    return event;
}

static char **kept_text;
static size_t *kept_size;

void output_keep(char **text, size_t *size) {
    kept_text = text;
    kept_size = size;
}

bool output_write(const char *text, unsigned long size, struct error *error) {
    if (kept_text != NULL) {
        *kept_text = must_grow(*kept_text, *kept_size + size + 1);
        memcpy(*kept_text + *kept_size, text, size);
        *kept_size += size;
        return true;
    }
    return durable_write_all(STDOUT_FILENO, text, size) ||
           fail(error, STATUS_IO, "cannot write: %s", strerror(errno));
}

char *document_as_read(const struct document_reader *reader) {
    const char *from = reader->buffer + reader->last;
    char *line = must_alloc(reader->last_size + 1);
    size_t size = 0;
    bool inside = false;
    for (size_t i = 0; i < reader->last_size; i++) {
        char c = from[i];
        if (inside && c == '\\')
            line[size++] = from[i++];
        else if (c == '"')
            inside = !inside;
        else if (!inside && (c == ' ' || c == '\n' || c == '\t' || c == '\r'))
            continue;
        line[size++] = from[i];
    }
    line[size] = '\0';
    return line;
}

/* The line as a terminal may have it. Takes it. */
static char *for_terminal(char *line) {
    struct error ignored;
    jv document;
    char *plain;
    if (json_parse(line, strlen(line), &document, &ignored) && document_has_secret(document)) {
        plain = document_in_words(document);
        utf8_make_plain(plain);
    } else {
        plain = json_plain(line, strlen(line));
    }
    jv_free(document);
    explicit_bzero(line, strlen(line));
    free(line);
    return plain;
}

bool document_write_line(char *line, struct error *error) {
    if (isatty(STDOUT_FILENO))
        line = for_terminal(line);
    size_t size = strlen(line);
    line[size] = '\n'; /* replaces the 0 byte */
    bool good = output_write(line, size + 1, error);
    free(line);
    return good;
}

bool document_write_as_read(const struct document_reader *reader, struct error *error) {
    return document_write_line(document_as_read(reader), error);
}

bool document_write(jv document, struct error *error) {
    return document_write_line(json_text(document), error);
}
