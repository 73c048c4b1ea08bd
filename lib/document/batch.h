/* One command's work on several documents at once. */
#ifndef CIBA_DOCUMENT_BATCH_H
#define CIBA_DOCUMENT_BATCH_H

#include <jv.h>
#include <stddef.h>

/* The work on so many documents, which it replaces by those to write. Makes *status worse by
 * report_error or report_failure on failures. */
typedef void (*documents_step)(void *context, jv *documents, size_t count, int *status);

/* Reads all of stdin, does the step on each `most` documents, and at the end on those that are
 * left; then writes them in their order, an unchanged one as it was read. Reports bad documents and
 * continues. Returns the exit status of the stream. */
int batch_run(documents_step step, void *context, size_t most);

#endif
