/* JSON numbers as text: their grammar, and whether two texts mean the same number. */
#include "json.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

static size_t digits_at(const char *text, size_t size, size_t at) {
    size_t count = 0;
    while (at + count < size && text[at + count] >= '0' && text[at + count] <= '9')
        count++;
    return count;
}

bool json_is_number(const char *text, size_t size) {
    size_t at = size > 0 && text[0] == '-', digits = digits_at(text, size, at);
    if (digits == 0 || (digits > 1 && text[at] == '0'))
        return false;
    at += digits;
    if (at < size && text[at] == '.') {
        if ((digits = digits_at(text, size, at + 1)) == 0)
            return false;
        at += 1 + digits;
    }
    if (at < size && (text[at] == 'e' || text[at] == 'E')) {
        at++;
        at += at < size && (text[at] == '+' || text[at] == '-');
        if ((digits = digits_at(text, size, at)) == 0)
            return false;
        at += digits;
    }
    return at == size;
}

/* A number as a row of digits, without zeros at either end, and the power of ten of the last. */
struct decimal {
    bool negative;
    char *digits; /* freed by the caller; empty for zero */
    long exponent;
};

static struct decimal decimal_of(const char *text) {
    struct decimal d = {.negative = *text == '-', .digits = must_alloc(strlen(text) + 1)};
    size_t used = 0;
    bool fraction = false;
    const char *c = text + d.negative;
    for (; *c != '\0' && *c != 'e' && *c != 'E'; c++) {
        if (*c == '.') {
            fraction = true;
            continue;
        }
        d.exponent -= fraction;
        if (used > 0 || *c != '0')
            d.digits[used++] = *c;
    }
    if (*c != '\0') {
        long power = strtol(c + 1, NULL, 10);
        /* Far beyond any double, and far from an overflow of the sum. */
        d.exponent += power > LONG_MAX / 4    ? LONG_MAX / 4
                      : power < -LONG_MAX / 4 ? -LONG_MAX / 4
                                              : power;
    }
    while (used > 0 && d.digits[used - 1] == '0') {
        used--;
        d.exponent++;
    }
    d.digits[used] = '\0';
    if (used == 0)
        d.exponent = 0;
    return d;
}

bool json_same_number(const char *one, const char *other) {
    struct decimal a = decimal_of(one), b = decimal_of(other);
    bool same =
        a.negative == b.negative && a.exponent == b.exponent && strcmp(a.digits, b.digits) == 0;
    free(a.digits);
    free(b.digits);
    return same;
}
