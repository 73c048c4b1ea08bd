/* The page on which a user answers: HTML that needs no script. */
#ifndef CIBA_CHANNEL_PAGE_H
#define CIBA_CHANNEL_PAGE_H

#include "base/text.h"

#include <jv.h>

/* The list of the user's questions, each with a form if it is open. Takes the questions, an array
 * of those of question.h. Texts of others are shown as they are: nothing in them is HTML, and what
 * a person could not see is shown by its number. */
void page_questions(struct text *page, const char *user, jv questions, const char *nonce);

/* A page with one message. */
void page_message(struct text *page, const char *title, const char *message, const char *nonce);

/* What is said of a question that is not open. */
const char *page_state(jv question);

#endif
