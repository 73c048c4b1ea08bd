/* What the user reads on his phone (CIBA Core 1.0 §7.1, binding_message), before it is sent: it is
 * never cut or changed, but refused where it cannot be shown as it stands. */
#ifndef CIBA_BINDING_MESSAGE_H
#define CIBA_BINDING_MESSAGE_H

#include "error.h"

#include <stdbool.h>

/* Whether the text is one for a phone: not empty, UTF-8, no characters that control or change the
 * direction of writing, none that cannot be seen (utf8_visible). False and an error with status 65.
 */
bool binding_message_sound(const char *text, struct error *error);

/* Whether the provider takes it, as far as its rule is documented; the provider is told by its
 * endpoint, as the metadata name it. Auth0: 64 letters, digits, spaces and +-_.,:#; Keycloak: 50
 * letters, digits and -._+/!?#. False and an error with status 65. */
bool binding_message_taken(const char *text, const char *endpoint, struct error *error);

#endif
