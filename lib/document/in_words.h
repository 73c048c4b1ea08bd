/* A document in words, for a terminal that must not show its secrets. */
#ifndef CIBA_DOCUMENT_IN_WORDS_H
#define CIBA_DOCUMENT_IN_WORDS_H

#include <jv.h>
#include <stdbool.h>

/* Whether a member of the document, at any depth, holds a token: access_token, refresh_token or
 * id_token, that is a text. */
bool document_has_secret(jv document);

/* What the document is, in one line: its calls, the first few, and what became of each; and that it
 * holds a token. The caller frees. */
char *document_in_words(jv document);

#endif
