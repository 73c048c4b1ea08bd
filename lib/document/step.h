/* One command's work on one document, and on each of its calls. */
#ifndef CIBA_DOCUMENT_STEP_H
#define CIBA_DOCUMENT_STEP_H

#include "document/reader.h"
#include "document/stage.h"

#include <jv.h>
#include <stdbool.h>

/* One command's work on one document. Takes the document and returns the one to write; invalid to
 * write nothing. Makes *status worse by report_error or report_failure on failures. */
typedef jv (*document_step)(void *context, jv document, int *status);

/* Does the step on a document, which is taken, and returns what came of it. Sets *changed to
 * whether that is another. With `consumes` a refused document becomes invalid. */
jv step_outcome(document_step step, void *context, jv document, bool consumes, bool *changed,
                int *status);

/* Does the step on a document and writes the result. Writes an unchanged document as it was read,
 * if `reader` has it (NULL for a document that was not read). With `consumes` a refused document is
 * not written. Takes the document. False if nothing more can be written. */
bool step_do(document_step step, void *context, jv document, const struct document_reader *reader,
             bool consumes, int *status);

/* Writes the result of a document; if it is not changed, the line as it was read, unless that is
 * NULL. What was done to calls is reported if it cannot be written. Takes result and line. False if
 * nothing more can be written. */
bool step_write(jv outcome, bool changed, char *as_read, int *status);

/* Gives the result of a stage's document back, as step_write writes it. Takes document and result.
 * False if nothing more can be given back. */
bool step_give_back(struct stage_document *stage, jv outcome, bool changed, int *status);

/* Reports what was done to the calls of a document that is not written. Takes it. */
void step_report_lost(jv document, int *status);

/* One command's work on one call. Takes the call, returns it. */
typedef jv (*call_step)(void *context, jv call, int *status);

/* Does the step on every call of the document. Takes the document, returns it. Calls that are not
 * objects, and `calls` that is not an array, stay unchanged. */
jv document_each_call(jv document, call_step step, void *context, int *status);

#endif
