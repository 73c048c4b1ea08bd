#include "json/number.h"

#include <limits.h>
#include <stdio.h>
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

/* A number as digits, without leading and trailing zeros, and the last digit's power of ten. */
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
        /* Far beyond any double, and the sum cannot overflow. */
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

bool json_number_text(double number, const char *written, char *text, struct error *error) {
    char e_form[40], digits[20] = "";
    for (int precision = 0; precision < 17; precision++) {
        snprintf(e_form, sizeof e_form, "%.*e", precision, number);
        if (strtod(e_form, NULL) == number)
            break;
    }
    if (!json_is_number(written, strlen(written)) || !json_same_number(e_form, written))
        return fail(error, STATUS_INPUT,
                    "the number %.40s cannot be held exactly; make it a string", written);
    const char *sign = number < 0 ? "-" : "";
    int count = 0;
    for (const char *c = e_form; *c != 'e'; c++)
        if (*c >= '0' && *c <= '9')
            digits[count++] = *c;
    int point = (int)strtol(strchr(e_form, 'e') + 1, NULL, 10) + 1; /* where the point stands */
    if (number == 0)
        snprintf(text, NUMBER_TEXT_SIZE, "0");
    else if (count <= point && point <= 21)
        snprintf(text, NUMBER_TEXT_SIZE, "%s%s%.*s", sign, digits, point - count,
                 "000000000000000000000");
    else if (point > 0 && point < count)
        snprintf(text, NUMBER_TEXT_SIZE, "%s%.*s.%s", sign, point, digits, digits + point);
    else if (point > -6 && point <= 0)
        snprintf(text, NUMBER_TEXT_SIZE, "%s0.%.*s%s", sign, -point, "000000", digits);
    else
        snprintf(text, NUMBER_TEXT_SIZE, "%s%c%s%se%+d", sign, digits[0], count > 1 ? "." : "",
                 digits + 1, point - 1);
    return true;
}
