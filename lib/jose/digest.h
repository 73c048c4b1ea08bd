/* Base64url, SHA-256 and random names. */
#ifndef CIBA_JOSE_DIGEST_H
#define CIBA_JOSE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>

/* Base64url without padding (RFC 7515 §2); the caller frees. */
char *base64url_encode(const void *bytes, size_t size);

/* Decodes; the caller frees. NULL for padding, white space, other characters, or trailing bits that
 * no encoder sets. Adds a 0 byte at the end. */
unsigned char *base64url_decode(const char *text, size_t text_size, size_t *size);

/* Base64 with padding (RFC 4648 §4); the caller frees. */
char *base64_encode(const void *bytes, size_t size);

/* "sha-256:" and the base64url of the digest; the caller frees. */
char *digest_of(const void *bytes, size_t size);

/* `bytes` (at most 64) random bytes as base64url; the caller frees. */
char *random_name(size_t bytes);

/* "call_" and a random name, for a call without an id; the caller frees. */
char *random_call_id(void);

/* Whether two texts are equal, in a time that does not reveal where they differ. */
bool same_secret(const char *one, const char *other);

#endif
