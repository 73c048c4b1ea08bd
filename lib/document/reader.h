/* The stream of documents: read from a file descriptor as they arrive, written as one line each. */
#ifndef CIBA_DOCUMENT_READER_H
#define CIBA_DOCUMENT_READER_H

#include "base/error.h"

#include <jv.h>
#include <stdbool.h>

struct document_reader;

/* Reads documents from a file descriptor, which stays the caller's. A terminal is not read: that
 * nothing was piped in is the one bad document (status 64) that it has. */
struct document_reader *document_reader_new(int fd);
void document_reader_free(struct document_reader *reader);

enum document_event {
    DOCUMENT_READY, /* *document is set, an object; the caller owns it */
    DOCUMENT_BAD,   /* an invalid document was skipped; *error says why, with its line */
    DOCUMENT_MORE,  /* call document_reader_fill for more bytes */
    DOCUMENT_END    /* end of input */
};

/* The next document in the bytes read so far; never blocks. After a bad one it continues at the
 * next line that begins with '{'. A document has at most JSON_SIZE_LIMIT bytes. */
enum document_event document_next(struct document_reader *reader, jv *document,
                                  struct error *error);

/* One read(2), which may block. False and an error with status 74. */
bool document_reader_fill(struct document_reader *reader, struct error *error);

/* The line where the last document, good or bad, began, from 1. */
unsigned long document_line(const struct document_reader *reader);

/* The latest document of document_next as it was read, without the white space between its tokens;
 * the caller frees. Call before the next document_next. */
char *document_as_read(const struct document_reader *reader);

/* Writes that document, as document_write_line does. */
bool document_write_as_read(const struct document_reader *reader, struct error *error);

/* Writes a document as one line to stdout, as document_write_line does. */
bool document_write(jv document, struct error *error);

/* Writes the line of a document without its newline, which is taken, to stdout; on a terminal
 * through json_plain, or, if the document has a token, what it is in words (in_words.h). False and
 * an error with status 74. */
bool document_write_line(char *line, struct error *error);

/* From now on appends output to *text, which is the caller's, instead of writing it; NULL to write
 * again. */
void output_keep(char **text, size_t *size);

/* Writes `size` bytes to stdout, all of them. False and an error with status 74. */
bool output_write(const char *text, unsigned long size, struct error *error);

#endif
