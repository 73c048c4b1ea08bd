/* A text, and on the last line what is bound to it: made to fit by each provider's rule. */
#include "ciba/fitted_message.h"

#include <stdlib.h>
#include <string.h>

static const char code[] = "#aaaaa-bbbbb";

static void check(const struct message_rule *rule, const char *text, const char *bound) {
    struct error error;
    bool changed;
    char *message = fitted_message(rule, text, bound, code, &changed, &error);
    if (message == NULL)
        return;
    size_t size = strlen(message), end = strlen(code);
    if (!binding_message_sound(message, &error) || !binding_message_taken(rule, message, &error) ||
        size > (size_t)4 * FITTED_LIMIT ||
        (changed && (size < end || strchr(message, '#') != message + size - end ||
                     strcmp(message + size - end, code) != 0)) ||
        (!changed && strncmp(message, text, strlen(text)) != 0))
        abort();
    free(message);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    char *text = must_format("%.*s", (int)size, (const char *)data), *bound = strrchr(text, '\n');
    if (bound != NULL)
        *bound++ = '\0';
    bound = bound != NULL ? bound : text + strlen(text);
    check(binding_message_rule("https://a/bc-authorize"), text, bound);
    check(binding_message_rule("https://k/protocol/openid-connect/ext/ciba/auth"), text, bound);
    check(NULL, text, bound);
    free(text);
    return 0;
}
