/* The model's answer as text: as it streams, and at the end. On a terminal without characters that
 * could control it. */
#ifndef CIBA_DOCUMENT_ANSWER_H
#define CIBA_DOCUMENT_ANSWER_H

#include <jv.h>
#include <stdbool.h>
#include <stddef.h>

/* Zeroed at the start. */
struct answer {
    bool shown;  /* text of the answer has been printed as it came */
    bool inside; /* a line of it is not ended */
};

/* Prints a piece of the answer as it comes: chat_settings' `show`, with a struct answer. */
void answer_show(void *answer, const char *text, size_t size);

/* Prints what was not printed as it came: the text of the document's last message. If a call of it
 * has no result yet, reports that with status 75; with `explain` it says what to do. */
void answer_print(struct answer *answer, jv document, bool explain, int *status);

#endif
