#include "cli/near_words.h"

#include <string.h>

enum { LEAST = 4 /* of fewer letters nothing can be guessed */ };

static bool same(const char *a, const char *b, size_t size) {
    return memcmp(a, b, size) == 0;
}

bool near_words(const char *typed, size_t size, const char *word) {
    size_t length = strlen(word), i = 0;
    if (size < LEAST)
        return false;
    while (i < size && i < length && typed[i] == word[i])
        i++;
    if (i == size && word[i] == '-')
        return true;
    if (size == length + 1)
        return same(typed + i + 1, word + i, length - i);
    if (size + 1 == length)
        return same(typed + i, word + i + 1, size - i);
    if (size != length || i == size)
        return false;
    bool swapped = i + 1 < size && typed[i] == word[i + 1] && typed[i + 1] == word[i] &&
                   same(typed + i + 2, word + i + 2, size - i - 2);
    return swapped || same(typed + i + 1, word + i + 1, size - i - 1);
}
