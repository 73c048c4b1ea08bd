/* Messages that fit: the text on the user's phone for a call whose whole text the provider would
 * refuse, such as a shell command. */
#ifndef CIBA_CIBA_FITTED_MESSAGE_H
#define CIBA_CIBA_FITTED_MESSAGE_H

#include "ciba/binding_message.h"

enum {
    FITTED_LIMIT = 256,    /* characters, where the provider's rule is not known (CIBA Core §7.1:
                              "relatively short") */
    WHOLE_LIMIT = 1 << 20, /* bytes of a text that is made to fit: it is recorded whole */
    FITTED_LEAST = 8       /* characters of a text that is cut, with the mark between them */
};

/* The code of a question: '#' and ten digits of Crockford's base32 with a hyphen in the middle, the
 * first 50 bits of the SHA-256 of the call's digest, a newline, and a salt. The salt is random and
 * new for each question: nobody can look for two calls with one code before they are asked about.
 * The caller frees. */
char *message_code(const char *digest, const char *salt);

/* The text and then what is `bound` to it ("" for nothing), as the provider takes it.
 *
 * What the provider takes, and has nothing that looks like a code, is unchanged to the byte.
 * Otherwise *changed becomes true, and each character that is not taken, cannot be seen or could be
 * mistaken is replaced by one that is taken; the text, not what is bound to it, is cut in its
 * middle, where it has "..."; and the code is the end. Then the only '#' begins the code, and "..."
 * stands only where the text was cut.
 *
 * `rule` is NULL where none is known: then whatever can be seen is taken, FITTED_LIMIT characters.
 * Bytes that are no UTF-8 are replaced as well. The caller frees. NULL and an error with status 65
 * if the text is empty or longer than WHOLE_LIMIT, or what must stay whole leaves too little room
 * for it. */
char *fitted_message(const struct message_rule *rule, const char *text, const char *bound,
                     const char *code, bool *changed, struct error *error);

#endif
