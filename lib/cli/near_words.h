/* Whether a mistyped word could be meant for another. */
#ifndef CIBA_CLI_NEAR_WORDS_H
#define CIBA_CLI_NEAR_WORDS_H

#include <stdbool.h>
#include <stddef.h>

/* Whether the `size` bytes of `typed`, at least four, begin `word` up to one of its dashes
 * ("client-secret" of "client-secret-file"), or are `word` with one letter more, one less, another
 * one, or two neighbours swapped. */
bool near_words(const char *typed, size_t size, const char *word);

#endif
