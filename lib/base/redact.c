#include "base/redact.h"

#include "base/memory.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const char replacement[REDACT_LEAST + 1] = "[secret]"; /* no longer than any secret */

static struct known {
    struct known *next;
    const char *secret;
} * known;

void redact_know(const char *secret) {
    if (secret == NULL || strlen(secret) < REDACT_LEAST)
        return;
    struct known *one = must_alloc(sizeof *one);
    *one = (struct known){known, secret};
    known = one;
}

void redact_forget(const char *secret) {
    for (struct known **at = &known; *at != NULL; at = &(*at)->next) {
        struct known *one = *at;
        if (one->secret != secret)
            continue;
        *at = one->next;
        free(one);
        return;
    }
}

/* A text, or the bytes decoded from a run of base64. */
struct source {
    const char *text;
    size_t size;
    bool is_base64;
    bool may_be_cut; /* its end is the end of the whole text */
};

/* The encoding of a byte in it. */
enum form { AS_IT_IS, PERCENT, JSON, HTML, FORMS };

static int base64_value(char c) {
    return c >= 'A' && c <= 'Z'   ? c - 'A'
           : c >= 'a' && c <= 'z' ? c - 'a' + 26
           : c >= '0' && c <= '9' ? c - '0' + 52
           : c == '+' || c == '-' ? 62
           : c == '/' || c == '_' ? 63
                                  : -1;
}

/* A byte of the source, -1 after its end. */
static int byte_at(const struct source *source, size_t i) {
    if (!source->is_base64)
        return i < source->size ? (unsigned char)source->text[i] : -1;
    size_t digit = i / 3 * 4 + i % 3;
    unsigned shift = 2 + 2 * (unsigned)(i % 3);
    if (digit + 1 >= source->size)
        return -1;
    int high = base64_value(source->text[digit]), low = base64_value(source->text[digit + 1]);
    return ((high << shift) | (low >> (6 - shift))) & 255;
}

/* `count` hexadecimal digits as a number, -1 if they are not digits. */
static long hex_at(const struct source *source, size_t i, int count) {
    long value = 0;
    for (; count > 0; count--, i++) {
        int c = byte_at(source, i);
        int digit = c >= '0' && c <= '9'                 ? c - '0'
                    : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                         : -1;
        if (c < 0 || digit < 0)
            return -1;
        value = 16 * value + digit;
    }
    return value;
}

/* Whether the source has this word at i. */
static bool word_at(const struct source *source, size_t i, const char *word) {
    for (; *word != '\0'; word++, i++)
        if (byte_at(source, i) != (unsigned char)*word)
            return false;
    return true;
}

/* The length of a numeric reference to `wanted` at i, &#47; or &#x2F; 0 for none. */
static size_t reference_at(const struct source *source, size_t i, int wanted) {
    if (!word_at(source, i, "&#"))
        return 0;
    bool hex = (byte_at(source, i + 2) | 32) == 'x';
    long value = 0;
    size_t at = i + (hex ? 3 : 2), first = at;
    for (int c; value < 1000 && (c = byte_at(source, at)) >= 0 && c != ';'; at++) {
        long digit = hex ? hex_at(source, at, 1) : c >= '0' && c <= '9' ? c - '0' : -1;
        if (digit < 0)
            return 0;
        value = (hex ? 16 : 10) * value + digit;
    }
    return at > first && value == wanted && byte_at(source, at) == ';' ? at + 1 - i : 0;
}

/* The length of an entity for `wanted` at i, 0 for none. */
static size_t entity_at(const struct source *source, size_t i, int wanted) {
    static const struct {
        char byte;
        const char *name;
    } entities[] = {{'&', "&amp;"},   {'<', "&lt;"},   {'>', "&gt;"},  {'"', "&quot;"},
                    {'\'', "&apos;"}, {'+', "&plus;"}, {'/', "&sol;"}, {'=', "&equals;"}};
    for (size_t k = 0; k < sizeof entities / sizeof *entities; k++)
        if (entities[k].byte == wanted && word_at(source, i, entities[k].name))
            return strlen(entities[k].name);
    return reference_at(source, i, wanted);
}

/* The length of the encoding of `wanted` at i, 0 for none. */
static size_t stands_for(const struct source *source, size_t i, enum form form, int wanted) {
    int c = byte_at(source, i);
    if (form == PERCENT && c == '%')
        return hex_at(source, i + 1, 2) == wanted ? 3 : 0;
    if (form == PERCENT && c == '+')
        return wanted == ' ' || wanted == '+' ? 1 : 0;
    if (form == JSON && c == '\\') {
        if (byte_at(source, i + 1) == 'u')
            return hex_at(source, i + 2, 4) == wanted ? 6 : 0;
        return byte_at(source, i + 1) == wanted ? 2 : 0;
    }
    if (form == HTML && c == '&')
        return entity_at(source, i, wanted);
    return c == wanted ? 1 : 0;
}

/* Whether the text ends at i, or within an escape at i. */
static bool is_cut_at(const struct source *source, size_t i) {
    int c = byte_at(source, i);
    bool is_escape = c == '%' || c == '\\' || c == '&';
    return source->may_be_cut && (c < 0 || (is_escape && byte_at(source, i + 5) < 0));
}

/* The length of the secret at i, 0 if it is not there. */
static size_t secret_at(const struct source *source, size_t i, enum form form, const char *secret) {
    size_t at = i;
    for (size_t k = 0; secret[k] != '\0'; k++) {
        size_t size = stands_for(source, at, form, (unsigned char)secret[k]);
        if (size == 0)
            return k >= REDACT_LEAST && is_cut_at(source, at) ? source->size - i : 0;
        at += size;
    }
    return at - i;
}

/* The same for any secret in any form. */
static size_t any_at(const struct source *source, size_t i) {
    size_t most = 0;
    int c = byte_at(source, i);
    for (const struct known *one = known; one != NULL; one = one->next) {
        if (c != (unsigned char)one->secret[0] && strchr("%\\&+", c) == NULL)
            continue;
        for (enum form form = AS_IT_IS; form < FORMS; form++) {
            size_t size = secret_at(source, i, form, one->secret);
            most = size > most ? size : most;
        }
    }
    return most;
}

/* Whether a run of base64 contains a secret, tried from each of its first characters because the
 * run's true start is unknown. */
static bool run_has_secret(const char *run, size_t size, bool is_last) {
    for (size_t skipped = 0; skipped < 4 && skipped < size; skipped++) {
        struct source source = {run + skipped, size - skipped, true, is_last};
        for (size_t i = 0; byte_at(&source, i) >= 0; i++)
            if (any_at(&source, i) > 0)
                return true;
    }
    return false;
}

static size_t run_size(const char *text, size_t size) {
    size_t run = 0;
    while (run < size && base64_value(text[run]) >= 0)
        run++;
    return run;
}

size_t redact(char *text, size_t size) {
    const struct source source = {text, size, false, true};
    size_t to = 0, from = 0, run_end = 0;
    while (known != NULL && from < size) {
        size_t found = any_at(&source, from);
        if (found == 0 && from >= run_end) {
            size_t run = run_size(text + from, size - from);
            run_end = from + run;
            if (run > REDACT_LEAST && run_has_secret(text + from, run, run_end == size))
                found = run;
        }
        if (found == 0) {
            text[to++] = text[from++];
            continue;
        }
        memcpy(text + to, replacement, REDACT_LEAST);
        to += REDACT_LEAST;
        from += found;
    }
    return from > 0 ? to : size;
}

void redact_text(char *text) {
    text[redact(text, strlen(text))] = '\0';
}

bool redact_is_needed(void) {
    return known != NULL;
}
