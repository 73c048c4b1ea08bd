#include "jose/digest.h"

#include "base/error.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

char *base64_encode(const void *bytes, size_t size) {
    char *text = must_alloc((size + 2) / 3 * 4 + 1);
    EVP_EncodeBlock((unsigned char *)text, bytes, (int)size);
    return text;
}

char *base64url_encode(const void *bytes, size_t size) {
    char *text = base64_encode(bytes, size);
    text[strcspn(text, "=")] = '\0';
    for (char *c = text; *c != '\0'; c++)
        *c = (char)(*c == '+' ? '-' : *c == '/' ? '_' : *c);
    return text;
}

static int base64url_value(char c) {
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const char *found = c == '\0' ? NULL : strchr(alphabet, c);
    return found == NULL ? -1 : (int)(found - alphabet);
}

unsigned char *base64url_decode(const char *text, size_t text_size, size_t *size) {
    unsigned char *bytes = must_alloc(text_size / 4 * 3 + 4);
    unsigned long bits = 0;
    int held = 0, value = 0;
    *size = 0;
    for (size_t i = 0; i < text_size && (value = base64url_value(text[i])) >= 0; i++) {
        bits = (bits << 6 | (unsigned)value) & 0xFFFFFF;
        held += 6;
        if (held >= 8) {
            held -= 8;
            bytes[(*size)++] = (unsigned char)(bits >> held);
        }
    }
    bool clean = value >= 0 && text_size % 4 != 1 && (bits & ((1UL << held) - 1)) == 0;
    if (clean)
        return bytes;
    free(bytes);
    return NULL;
}

char *digest_of(const void *bytes, size_t size) {
    unsigned char digest[32];
    static EVP_MD *fetched; /* OpenSSL takes longer to find it than to hash a line */
    if (fetched == NULL)
        fetched = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (!EVP_Digest(bytes, size, digest, NULL, fetched != NULL ? fetched : EVP_sha256(), NULL))
        out_of_memory();
    char *text = base64url_encode(digest, sizeof digest);
    char *named = must_format("sha-256:%s", text);
    free(text);
    return named;
}

char *random_name(size_t bytes) {
    unsigned char noise[64];
    if (bytes > sizeof noise || RAND_bytes(noise, (int)bytes) != 1) {
        report(NULL, "the system gives no random numbers");
        exit(STATUS_INTERNAL);
    }
    return base64url_encode(noise, bytes);
}

char *random_call_id(void) {
    char *name = random_name(12), *id = must_format("call_%s", name);
    free(name);
    return id;
}

bool same_secret(const char *one, const char *other) {
    size_t size = strlen(one);
    return size == strlen(other) && CRYPTO_memcmp(one, other, size) == 0;
}
