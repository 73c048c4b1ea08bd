/* fit-check auth0|keycloak|any CODE BOUND: makes the text on stdin fit, for the tests of
 * lib/ciba/fitted_message.c.
 * fit-check random COUNT SEED: does it with that many texts, and checks what must hold of each. */
#include "base/text.h"
#include "base/utf8.h"
#include "ciba/fitted_message.h"
#include "jose/digest.h"
#include "system/start.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct message_rule *rule_named(const char *name) {
    return binding_message_rule(strcmp(name, "auth0") == 0 ? "https://a/bc-authorize"
                                : strcmp(name, "keycloak") == 0
                                    ? "https://k/realms/r/protocol/openid-connect/ext/ciba/auth"
                                    : "https://other/ask");
}

static int fit_input(const char *provider, const char *code, const char *bound) {
    static char text[4 << 20];
    struct error error;
    bool changed;
    text[fread(text, 1, sizeof text - 1, stdin)] = '\0';
    char *message = fitted_message(rule_named(provider), text, bound, code, &changed, &error);
    if (message == NULL) {
        report(NULL, "%s", error.text);
        return error.status;
    }
    printf("%s\n", message);
    free(message);
    return 0;
}

static unsigned long long state;

static size_t below(size_t limit) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (size_t)(state >> 33) % limit;
}

/* What attacks are made of, and what commands are. */
static const char *const pieces[] = {
    "a",    "Z",    "7",         "rm -rf ", "/etc",   "..",         ".",         " ",
    "\"",   "'",    "\\",        "$(x)",    "| sh",   "\n",         "\t",        "\x1b[2J",
    "#",    "###",  "#7k2mp",    "-x9qrt",  "＃",     "…",          "é",         "ß",
    "а",    "Ω",    "日本",      "😀",       "\u0301", "\u20dd",     "\u202e",    "\u200b",
    "\xff", "\xf0", "\xf0\x9f ", "שלום",    "\u00a0", "\U000E0041", "#12345678", "+-_,:",
    "!?",   "=;&",  "{[()]}",    "<>",      "-",      "#aaaaa-",    "bbbbb",     "_"};

static char *random_text(size_t most) {
    struct text made = {0};
    size_t count = 1 + below(most), only = below(sizeof pieces / sizeof *pieces);
    bool mixed = below(4) > 0;
    for (size_t i = 0; i < count; i++)
        text_add_string(&made, pieces[mixed ? below(sizeof pieces / sizeof *pieces) : only]);
    return made.text;
}

static size_t count_of(const char *text, const char *part) {
    size_t count = 0;
    for (; (text = strstr(text, part)) != NULL; text += strlen(part))
        count++;
    return count;
}

static bool ends_in(const char *text, const char *end) {
    return strlen(text) >= strlen(end) && strcmp(text + strlen(text) - strlen(end), end) == 0;
}

static size_t characters_of(const char *text) {
    size_t count = 0;
    for (; *text != '\0'; text++)
        count += ((unsigned char)*text & 0xC0) != 0x80;
    return count;
}

/* What is wrong with a message; NULL for nothing. */
static const char *fault_of(const struct message_rule *rule, const char *whole, const char *bound,
                            const char *code, const char *message, bool changed) {
    struct error ignored;
    if (!binding_message_sound(message, &ignored))
        return "it is not sound";
    if (!binding_message_taken(rule, message, &ignored) ||
        (rule == NULL && characters_of(message) > FITTED_LIMIT))
        return "the provider does not take it";
    if (!changed)
        return strcmp(message, whole) != 0 ? "it is another, and not changed" : NULL;
    if (!ends_in(message, code) || count_of(message, "#") != 1)
        return "its code is not the only one";
    const char *dots = strstr(message, "...");
    if (dots != NULL && count_of(dots + strspn(dots, "."), "...") > 0)
        return "it is cut twice";
    char *end = must_format("%s%s%s", bound,
                            rule == NULL || strchr(rule->taken, ' ') != NULL ? " " : "", code);
    bool kept = ends_in(message, end);
    free(end);
    return kept ? NULL : "what is bound to it is not whole";
}

/* Whether a message that was made to fit, given as the text of another call, remains itself. */
static bool is_forged(const struct message_rule *rule, const char *message, const char *code) {
    struct error error;
    bool changed;
    char *again = fitted_message(rule, message, "", code, &changed, &error);
    bool forged = again == NULL || !changed || strcmp(again, message) == 0 || !ends_in(again, code);
    free(again);
    return forged;
}

static int compare(const void *one, const void *other) {
    return strcmp(*(char *const *)one, *(char *const *)other);
}

static int check_random(size_t count) {
    static const char *const providers[] = {"auth0", "keycloak", "any"};
    static const char *const bounds[] = {"", "-for-15-min", "_+10-times_", "!"};
    char **messages = must_alloc(count * sizeof *messages), *last = must_copy("#00000-00000");
    size_t made = 0, unchanged = 0, refused = 0, faults = 0;
    for (size_t i = 0; i < count; i++) {
        const struct message_rule *rule = rule_named(providers[i % 3]);
        const char *bound = bounds[below(i % 3 == 0 ? 3 : 4)];
        char *text = random_text(i % 50 == 0 ? 3000 : 30), *digest = digest_of(text, strlen(text));
        char *salt = random_name(16), *code = message_code(digest, salt);
        char *whole = must_format("%s%s", text, bound);
        struct error error;
        bool changed;
        char *message = fitted_message(rule, text, bound, code, &changed, &error);
        const char *fault =
            message == NULL ? error.text : fault_of(rule, whole, bound, code, message, changed);
        if (fault == NULL && changed && is_forged(rule, message, last))
            fault = "it can be forged";
        if (fault != NULL) {
            faults++;
            report(NULL, "%s: %s: %s: %.200s", providers[i % 3], fault,
                   message != NULL ? message : "", whole);
        }
        unchanged += message != NULL && !changed;
        refused += message == NULL;
        if (message != NULL && changed)
            messages[made++] = message;
        else
            free(message);
        free(last);
        last = code;
        free(text);
        free(digest);
        free(salt);
        free(whole);
    }
    qsort(messages, made, sizeof *messages, compare);
    for (size_t i = 1; i < made; i++)
        faults += strcmp(messages[i - 1], messages[i]) == 0;
    printf("%zu changed, %zu unchanged, %zu refused, %zu faults\n", made, unchanged, refused,
           faults);
    for (size_t i = 0; i < made; i++)
        free(messages[i]);
    free(messages);
    free(last);
    return faults > 0;
}

int main(int argc, char **argv) {
    program_start("fit-check");
    if (argc != 4)
        return STATUS_USAGE;
    if (strcmp(argv[1], "random") != 0)
        return fit_input(argv[1], argv[2], argv[3]);
    state = strtoull(argv[3], NULL, 10);
    return check_random(strtoul(argv[2], NULL, 10));
}
