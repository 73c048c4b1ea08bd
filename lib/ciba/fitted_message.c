#include "ciba/fitted_message.h"

#include "base/text.h"
#include "base/utf8.h"
#include "jose/digest.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const char cut_mark[] = "...";

/* What begins a code, or looks as if it did. */
static const char number_signs[] = "#＃﹟♯⌗⋕";

/* What looks like the mark of a cut. */
static const char ellipses[] = "…‥⋯";

/* What a character becomes: the first of `instead` that the provider takes. */
static const struct {
    const char *characters, *instead;
} table[] = {{" \t", "_"},       {"\n\r\v\f;", ";,!"}, {"\"'`´‘’‚‛“”„‟«»‹›", "',+"},
             {"/\\", "/_"},      {"|", ":!"},          {"=", ":-"},
             {":,", "."},        {"()[]{}", "_"},      {"‐‑‒–—―−", "-"},
             {"<>&*$%@~^#", "+"}};

/* What any other character becomes. */
static const char instead_of_others[] = "?_";

/* The letters from U+00C0 to U+017F without what is above and below them. */
static const char latin[] = "AAAAAAACEEEEIIIIDNOOOOOxOUUUUYTsaaaaaaaceeeeiiiidnooooo-ouuuuyty"
                            "AaAaAaCcCcCcCcDdDdEeEeEeEeEeGgGgGgGgHhHhIiIiIiIiIiIiJjKkkLlLlLlL"
                            "lLlNnNnNnnNnOoOoOoOoRrRrRrSsSsSsSsTtTtTtUuUuUuUuUuUuWwYyYZzZzZzs";
enum { LATIN_FIRST = 0xC0 };

char *message_code(const char *digest, const char *salt) {
    static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
    char *text = must_format("%s\n%s", digest, salt), code[10];
    char *of_both = digest_of(text, strlen(text));
    size_t size;
    unsigned char *bytes = base64url_decode(of_both + strlen("sha-256:"), 12 /* 9 bytes */, &size);
    unsigned long long bits = 0;
    for (size_t i = 0; i < 7; i++)
        bits = bits << 8 | bytes[i];
    for (size_t i = 0; i < sizeof code; i++)
        code[i] = digits[bits >> (51 - 5 * i) & 31];
    free(text);
    free(of_both);
    free(bytes);
    return must_format("#%.5s-%.5s", code, code + 5);
}

/* One character of a text, as in the text; `length` is 0 after its end, `value` 0 for a byte that
 * is no UTF-8. */
struct character {
    char bytes[5];
    size_t length;
    uint32_t value;
};

static struct character character_at(const char *text, size_t size) {
    struct character one = {{0}, 0, 0};
    if (size == 0)
        return one;
    one.length = utf8_decode(text, size, &one.value);
    if (one.length == 0) {
        one.length = 1;
        one.value = 0;
    }
    memcpy(one.bytes, text, one.length);
    return one;
}

static bool is_among(const struct character *one, const char *characters) {
    return one->value != 0 && strstr(characters, one->bytes) != NULL;
}

static size_t characters_of(const char *text) {
    size_t count = 0;
    for (; *text != '\0'; text++)
        count += ((unsigned char)*text & 0xC0) != 0x80;
    return count;
}

static bool is_taken(const struct message_rule *rule, const struct character *one) {
    if (rule != NULL)
        return is_among(one, rule->taken);
    return one->value != 0 && utf8_visible(one->value);
}

/* The size of the run of letters and digits at `text`, and how many they are; what is not ASCII may
 * look like one. */
static size_t run_at(const char *text, size_t *count) {
    size_t size = 0;
    for (; isalnum((unsigned char)text[size]) || (unsigned char)text[size] >= 0x80; size++)
        *count += ((unsigned char)text[size] & 0xC0) != 0x80;
    return size;
}

/* Whether a person could take something in the text for a code: a number sign, and about as many
 * letters and digits in one or two groups. */
static bool has_code(const char *text) {
    size_t size = strlen(text);
    for (struct character one; size > 0; text += one.length, size -= one.length) {
        one = character_at(text, size);
        if (!is_among(&one, number_signs))
            continue;
        const char *run = text + one.length;
        size_t count = 0;
        run += strspn(run, " ");
        run += run_at(run, &count);
        const char *hyphen = run + strspn(run, " ");
        if (*hyphen != '\0' && strchr("-_+.~", *hyphen) != NULL)
            run_at(hyphen + 1 + strspn(hyphen + 1, " "), &count);
        else if (*run != '\0' && *run != ' ')
            run_at(run + 1, &count);
        if (count >= 8 && count <= 14)
            return true;
    }
    return false;
}

static bool fits(const struct message_rule *rule, const char *text) {
    struct error ignored;
    return binding_message_sound(text, &ignored) && binding_message_taken(rule, text, &ignored) &&
           (rule != NULL || characters_of(text) <= FITTED_LIMIT) && !has_code(text);
}

static bool ends_in(const struct text *text, const char *end) {
    size_t size = strlen(end);
    return text->size >= size && memcmp(text->text + text->size - size, end, size) == 0;
}

/* Whether the character stays in a message with a code, after `before`. Not every phone shows a
 * space after a space. */
static bool stays(const struct message_rule *rule, const struct character *one,
                  const struct text *before) {
    bool mistakable = is_among(one, number_signs) || is_among(one, ellipses) ||
                      (one->value == '.' && ends_in(before, "..")) ||
                      (one->value == ' ' && ends_in(before, " "));
    return !mistakable && is_taken(rule, one);
}

/* The first of the characters that is taken. */
static char first_taken(const struct message_rule *rule, const char *characters) {
    while (characters[1] != '\0' && rule != NULL && strchr(rule->taken, *characters) == NULL)
        characters++;
    return *characters;
}

static char replacement(const struct message_rule *rule, const struct character *one) {
    if (one->value >= LATIN_FIRST && one->value < LATIN_FIRST + sizeof latin - 1)
        return latin[one->value - LATIN_FIRST];
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (is_among(one, table[i].characters))
            return first_taken(rule, table[i].instead);
    return first_taken(rule, instead_of_others);
}

static char *transliterate(const struct message_rule *rule, const char *text) {
    struct text made = {0};
    size_t size = strlen(text);
    text_add_string(&made, "");
    for (struct character one; size > 0; text += one.length, size -= one.length) {
        one = character_at(text, size);
        char other = replacement(rule, &one);
        if (stays(rule, &one, &made))
            text_add(&made, one.bytes, one.length);
        else
            text_add(&made, &other, 1);
    }
    return made.text;
}

/* Whether the character would change the one before it. */
static bool combines(uint32_t c) {
    return (c >= 0x0300 && c <= 0x036F) || (c >= 0x0483 && c <= 0x0489) ||
           (c >= 0x1AB0 && c <= 0x1AFF) || (c >= 0x1DC0 && c <= 0x1DFF) ||
           (c >= 0x20D0 && c <= 0x20FF) || (c >= 0xFE20 && c <= 0xFE2F);
}

/* The place of the character with this number; its end if it has no more. */
static const char *place_of(const char *text, size_t number) {
    for (; *text != '\0'; text++)
        if (((unsigned char)*text & 0xC0) != 0x80 && number-- == 0)
            break;
    return text;
}

/* The text with its middle replaced by the mark, so that it has at most `room` characters. */
static char *cut(const char *text, size_t room) {
    size_t all = characters_of(text), kept = room - strlen(cut_mark), tail = kept / 2;
    const char *end = place_of(text, all - tail);
    struct character one = character_at(end, strlen(end));
    while (combines(one.value)) {
        end += one.length;
        one = character_at(end, strlen(end));
    }
    return must_format("%.*s%s%s", (int)(place_of(text, kept - tail) - text), text, cut_mark, end);
}

/* The text, cut if need be, what is bound to it, and the code. */
static char *with_code(const struct message_rule *rule, const char *text, const char *bound,
                       const char *code, struct error *error) {
    const char *space = rule == NULL || strchr(rule->taken, ' ') != NULL ? " " : "";
    char *shown = transliterate(rule, text), *end = transliterate(rule, bound), *message = NULL;
    size_t limit = rule != NULL ? rule->limit : FITTED_LIMIT, length = characters_of(shown);
    size_t fixed = characters_of(end) + strlen(space) + strlen(code);
    if (fixed + (length < FITTED_LEAST ? length : FITTED_LEAST) > limit) {
        fail(error, STATUS_INPUT,
             "the message has %zu characters that cannot be cut, and %s takes %zu in all; nobody "
             "was asked",
             fixed, rule != NULL ? rule->provider : "a phone", limit);
    } else {
        char *part = length > limit - fixed ? cut(shown, limit - fixed) : must_copy(shown);
        message = must_format("%s%s%s%s", part, end, space, code);
        free(part);
    }
    free(shown);
    free(end);
    return message;
}

char *fitted_message(const struct message_rule *rule, const char *text, const char *bound,
                     const char *code, bool *changed, struct error *error) {
    if (*text == '\0') {
        fail(error, STATUS_INPUT, "the message is empty");
        return NULL;
    }
    if (strlen(text) > WHOLE_LIMIT) {
        fail(error, STATUS_INPUT,
             "the message has more than %d bytes; nobody was asked (-m can say less)", WHOLE_LIMIT);
        return NULL;
    }
    char *whole = must_format("%s%s", text, bound);
    *changed = !fits(rule, whole);
    if (!*changed)
        return whole;
    free(whole);
    return with_code(rule, text, bound, code, error);
}
