/* The stream of documents: read from a file descriptor as they arrive, written one line each. */
#ifndef CIBA_DOCUMENTS_H
#define CIBA_DOCUMENTS_H

#include "error.h"

#include <jv.h>
#include <stdbool.h>

struct document_reader;

/* Reads documents from a file descriptor, which stays the caller's. */
struct document_reader *document_reader_new(int fd);
void document_reader_free(struct document_reader *reader);

enum document_event {
    DOCUMENT_READY, /* *document is set, an object; the caller owns it */
    DOCUMENT_BAD,   /* a document that cannot be used was skipped; *error says why, with its line */
    DOCUMENT_MORE,  /* call document_reader_fill for more bytes */
    DOCUMENT_END    /* all was read */
};

/* The next document of what has been read so far; never blocks. After a bad one it goes on at the
 * next line that begins with '{'. A document has at most JSON_SIZE_LIMIT bytes. */
enum document_event document_next(struct document_reader *reader, jv *document,
                                  struct error *error);

/* One read(2), which blocks where there is nothing to read. False and an error with status 74. */
bool document_reader_fill(struct document_reader *reader, struct error *error);

/* The line on which the last document or bad document began, from 1. */
unsigned long document_line(const struct document_reader *reader);

/* The document that document_next gave last, as it was read but without the white space between its
 * parts; the caller frees. To be called before the next document_next. */
char *document_as_read(const struct document_reader *reader);

/* Writes it as one line. False and an error with status 74. */
bool document_write_as_read(const struct document_reader *reader, struct error *error);

/* Writes a document as one line to stdout. False and an error with status 74. */
bool document_write(jv document, struct error *error);

/* From now on keeps what is to be written in *text, which grows and is the caller's, instead of
 * writing it; NULL to write again. */
void output_keep(char **text, size_t *size);

/* Writes `size` bytes to stdout, all of them. False and an error with status 74. */
bool output_write(const char *text, unsigned long size, struct error *error);

#endif
