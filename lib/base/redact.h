/* Secrets that come back: an error page that quotes the request's headers or form, a program that
 * prints its environment. Everything that is printed, recorded or sent to the model passes through
 * here. */
#ifndef CIBA_BASE_REDACT_H
#define CIBA_BASE_REDACT_H

#include <stdbool.h>
#include <stddef.h>

/* Shorter secrets are not searched for: they would match parts of ordinary words. */
enum { REDACT_LEAST = 8 /* bytes */ };

/* From now on searches for the secret. It stays the caller's and is not copied. */
void redact_know(const char *secret);

/* Stops searching for it. Call this before the secret is freed. */
void redact_forget(const char *secret);

/* Replaces each known secret in the text by "[secret]", in place, and returns the new size, which
 * is never larger. Finds a secret as it is, percent-encoded (RFC 3986, and with '+' for a space),
 * with the escapes of JSON and of HTML, in base64 or base64url (as in RFC 7617; then the whole run
 * is replaced), and where the text ends within it. Does not find it in other encodings or in
 * pieces. */
size_t redact(char *text, size_t size);

/* The same for a NUL-terminated text. */
void redact_text(char *text);

/* Whether any secret is known. */
bool redact_is_needed(void);

#endif
