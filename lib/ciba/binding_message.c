#include "ciba/binding_message.h"

#include "base/utf8.h"
#include "ciba/known_provider.h"

#include <string.h>

#define LETTERS_AND_DIGITS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

static const struct message_rule rules[] = {
    {"Auth0", 64, LETTERS_AND_DIGITS " +-_.,:#", "letters, digits, spaces and +-_.,:#"},
    {"Keycloak", 50, LETTERS_AND_DIGITS "-._+/!?#", "letters, digits and -._+/!?#"},
};

bool binding_message_sound(const char *text, struct error *error) {
    uint32_t character;
    size_t size = strlen(text), length;
    if (size == 0)
        return fail(error, STATUS_INPUT, "the message is empty");
    for (size_t i = 0; i < size; i += length) {
        length = utf8_decode(text + i, size - i, &character);
        if (length == 0)
            return fail(error, STATUS_INPUT, "the message is not UTF-8; nobody was asked");
        if (!utf8_plain(character))
            return fail(
                error, STATUS_INPUT,
                "the message has a control or direction character, U+%04lX; nobody was asked",
                (unsigned long)character);
        if (!utf8_visible(character))
            return fail(
                error, STATUS_INPUT,
                "the message has U+%04lX, which cannot be seen, or not be told from a space; "
                "nobody was asked",
                (unsigned long)character);
    }
    return true;
}

const struct message_rule *binding_message_rule(const char *endpoint) {
    const struct known_provider *provider = known_provider(endpoint);
    for (size_t i = 0; provider != NULL && i < sizeof rules / sizeof *rules; i++)
        if (strcmp(provider->name, rules[i].provider) == 0)
            return &rules[i];
    return NULL;
}

bool binding_message_taken(const struct message_rule *rule, const char *text, struct error *error) {
    if (rule == NULL)
        return true;
    uint32_t ignored;
    size_t size = strlen(text), good = strspn(text, rule->taken);
    if (good < size)
        return fail(error, STATUS_INPUT,
                    "the message has '%.*s', and %s takes %s; nobody was asked "
                    "(--fit would make it fit, --any-message would send it)",
                    (int)utf8_decode(text + good, size - good, &ignored), text + good,
                    rule->provider, rule->in_words);
    return size <= rule->limit ||
           fail(error, STATUS_INPUT,
                "the message has %zu characters, and %s takes %zu; nobody was asked "
                "(--fit would make it fit, --any-message would send it)",
                size, rule->provider, rule->limit);
}
