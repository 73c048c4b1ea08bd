/* Checks the text on the user's phone (CIBA Core 1.0 §7.1, binding_message) before it is sent.
 * Nothing here changes it: what cannot be shown as it is, is refused, or fitted (fitted_message.h).
 */
#ifndef CIBA_CIBA_BINDING_MESSAGE_H
#define CIBA_CIBA_BINDING_MESSAGE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* What a provider is documented to accept. */
struct message_rule {
    const char *provider; /* its name as a known_provider */
    size_t limit;         /* characters */
    const char *taken, *in_words;
};

/* Whether the text is fit for a phone: not empty, UTF-8, no control characters, none that change
 * the direction of writing, no invisible ones (utf8_visible). False and an error with status 65. */
bool binding_message_sound(const char *text, struct error *error);

/* The rule of the provider with this endpoint (known_provider.h); NULL if none is known. Auth0: 64
 * letters, digits, spaces and +-_.,:#; Keycloak: 50 letters, digits and -._+/!?#. */
const struct message_rule *binding_message_rule(const char *endpoint);

/* Whether the text keeps the rule; true if that is NULL. False and an error with status 65. */
bool binding_message_taken(const struct message_rule *rule, const char *text, struct error *error);

#endif
