/* Asks the user once about all calls of a document, or of several, that have not been asked about
 * (together.h). */
#ifndef CIBA_CIBA_TOGETHER_AUTHORIZER_H
#define CIBA_CIBA_TOGETHER_AUTHORIZER_H

#include "ciba/authorizer.h"

#include <jv.h>
#include <stddef.h>

/* A documents_step (batch.h) whose context is a struct authorizer. Asks one question about all
 * calls of the documents that are to be asked about (authorizer_asks), at most TOGETHER_LIMIT. A
 * call that is not valid fails alone. The intent before and the outcome after are one entry each in
 * the journal, which takes one document. */
void together_documents(void *authorizer, jv *documents, size_t count, int *status);

/* The same with one document: a document_step (step.h). */
jv together_document(void *authorizer, jv document, int *status);

#endif
