#include "jose/jwe.h"

#include "jose/digest.h"
#include "jose/jwk.h"
#include "json/json.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { PARTS = 5, KEY_LIMIT = 64, RSA_BITS_LEAST = 2048, GCM_TAG = 16 };
enum { HEADER, ENCRYPTED_KEY, IV, CIPHERTEXT, TAG };

/* How the content's key is encrypted: to an RSA key with OAEP and this digest; else agreed on by
 * ECDH, and wrapped with a cipher, or used as it is. */
static const struct key_algorithm {
    const char *name, *oaep_digest, *wrap;
    size_t wrap_bytes;
} key_algorithms[] = {
    {"RSA-OAEP", "SHA1", NULL, 0},
    {"RSA-OAEP-256", "SHA256", NULL, 0},
    {"ECDH-ES", NULL, NULL, 0},
    {"ECDH-ES+A128KW", NULL, "id-aes128-wrap", 16},
    {"ECDH-ES+A256KW", NULL, "id-aes256-wrap", 32},
};

/* How the content is encrypted. With a digest (CBC), half of the key is for the HMAC. */
static const struct content_algorithm {
    const char *name, *cipher, *digest;
    size_t key_bytes, iv_bytes;
} content_algorithms[] = {
    {"A128GCM", "AES-128-GCM", NULL, 16, 12},
    {"A256GCM", "AES-256-GCM", NULL, 32, 12},
    {"A128CBC-HS256", "AES-128-CBC", "SHA256", 32, 16},
    {"A256CBC-HS512", "AES-256-CBC", "SHA512", 64, 16},
};

struct jwe {
    const char *coded_header; /* the text's first part, which is authenticated */
    size_t coded_header_size;
    unsigned char *parts[PARTS];
    size_t sizes[PARTS];
    jv header;
    const struct key_algorithm *key_algorithm;
    const struct content_algorithm *content_algorithm;
};

bool jwe_is(const char *text) {
    int dots = 0;
    for (; *text != '\0'; text++)
        dots += *text == '.';
    return dots == PARTS - 1;
}

bool jwe_key_fits(EVP_PKEY *key, struct error *error) {
    struct error ignored;
    jv jwk = jwk_of_key(key, &ignored);
    bool fits = json_is(jwk, "kty", "EC") ||
                (json_is(jwk, "kty", "RSA") && EVP_PKEY_get_bits(key) >= RSA_BITS_LEAST);
    jv_free(jwk);
    return fits || fail(error, STATUS_CONFIG,
                        "the key for encrypted ID tokens is neither RSA of 2048 bits or more, nor "
                        "EC on P-256, P-384 or P-521");
}

static void jwe_free(struct jwe *jwe) {
    for (int i = 0; i < PARTS; i++)
        free(jwe->parts[i]);
    jv_free(jwe->header);
}

static bool read_parts(const char *text, struct jwe *jwe, struct error *error) {
    const char *part = text;
    jwe->coded_header = text;
    jwe->coded_header_size = strcspn(text, ".");
    for (int i = 0; i < PARTS; i++) {
        size_t size = strcspn(part, ".");
        jwe->parts[i] = base64url_decode(part, size, &jwe->sizes[i]);
        if (jwe->parts[i] == NULL)
            return fail(error, STATUS_PROTOCOL, "a part of the JWE is not base64url");
        part += size + 1;
    }
    return true;
}

static bool read_header(struct jwe *jwe, struct error *error) {
    struct error ignored;
    if (!json_parse((const char *)jwe->parts[HEADER], jwe->sizes[HEADER], &jwe->header, &ignored) ||
        jv_get_kind(jwe->header) != JV_KIND_OBJECT)
        return fail(error, STATUS_PROTOCOL, "the JWE's header is not a JSON object");
    if (json_names(jwe->header, "crit") || json_names(jwe->header, "zip"))
        return fail(error, STATUS_PROTOCOL,
                    "the JWE's header has 'crit' or 'zip', which are not implemented");
    const char *content = json_string(jwe->header, "cty");
    if (json_has(jwe->header, "cty") &&
        (content == NULL ||
         (strcasecmp(content, "JWT") != 0 && strcasecmp(content, "application/jwt") != 0)))
        return fail(error, STATUS_PROTOCOL, "the JWE's 'cty' is not JWT");
    const char *alg = json_string(jwe->header, "alg"), *enc = json_string(jwe->header, "enc");
    for (size_t i = 0; alg != NULL && i < sizeof key_algorithms / sizeof *key_algorithms; i++)
        if (strcmp(key_algorithms[i].name, alg) == 0)
            jwe->key_algorithm = &key_algorithms[i];
    for (size_t i = 0; enc != NULL && i < sizeof content_algorithms / sizeof *content_algorithms;
         i++)
        if (strcmp(content_algorithms[i].name, enc) == 0)
            jwe->content_algorithm = &content_algorithms[i];
    return (jwe->key_algorithm != NULL && jwe->content_algorithm != NULL) ||
           fail(error, STATUS_PROTOCOL, "the encryption '%.20s' with '%.20s' is not accepted",
                alg != NULL ? alg : "", enc != NULL ? enc : "");
}

/* A failure that is no decision about the token must not be taken for one. */
static void end_without_memory(void) {
    unsigned long code;
    while ((code = ERR_get_error()) != 0)
        if (ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE)
            out_of_memory();
}

/* The content's key by OAEP. */
static bool unwrap_by_rsa(const struct jwe *jwe, EVP_PKEY *key, unsigned char *content_key) {
    const EVP_MD *digest = EVP_get_digestbyname(jwe->key_algorithm->oaep_digest);
    size_t size = (size_t)EVP_PKEY_get_size(key), wanted = jwe->content_algorithm->key_bytes;
    unsigned char *clear = must_alloc(size);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
    if (context == NULL || digest == NULL)
        out_of_memory();
    bool good = jwe->sizes[ENCRYPTED_KEY] == size && EVP_PKEY_decrypt_init(context) == 1 &&
                EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING) == 1 &&
                EVP_PKEY_CTX_set_rsa_oaep_md(context, digest) == 1 &&
                EVP_PKEY_CTX_set_rsa_mgf1_md(context, digest) == 1 &&
                EVP_PKEY_decrypt(context, clear, &size, jwe->parts[ENCRYPTED_KEY],
                                 jwe->sizes[ENCRYPTED_KEY]) == 1 &&
                size == wanted;
    if (good)
        memcpy(content_key, clear, wanted);
    EVP_PKEY_CTX_free(context);
    free(clear);
    return good;
}

/* The secret that both sides agree on (ECDH); false if the header's key is not on our curve. */
static bool agree(const struct jwe *jwe, EVP_PKEY *key, unsigned char *secret, size_t *size) {
    struct error ignored;
    jv theirs = json_get(jwe->header, "epk"), ours = jwk_of_key(key, &ignored);
    const char *curve = json_string(ours, "crv");
    bool same = curve != NULL && json_is(theirs, "kty", "EC") && json_is(theirs, "crv", curve);
    EVP_PKEY *peer = same ? jwk_public_key(theirs, &ignored) : NULL; /* a point on the curve */
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
    if (context == NULL)
        out_of_memory();
    bool good = peer != NULL && EVP_PKEY_derive_init(context) == 1 &&
                EVP_PKEY_derive_set_peer(context, peer) == 1 &&
                EVP_PKEY_derive(context, secret, size) == 1;
    EVP_PKEY_CTX_free(context);
    EVP_PKEY_free(peer);
    jv_free(theirs);
    jv_free(ours);
    return good;
}

static bool add_number(EVP_MD_CTX *context, size_t number) {
    unsigned char bytes[4] = {(unsigned char)(number >> 24), (unsigned char)(number >> 16),
                              (unsigned char)(number >> 8), (unsigned char)number};
    return EVP_DigestUpdate(context, bytes, sizeof bytes) == 1;
}

static bool add_sized(EVP_MD_CTX *context, const void *bytes, size_t size) {
    return add_number(context, size) && EVP_DigestUpdate(context, bytes, size) == 1;
}

/* A party's name in the header, which may be missing; false if it is not base64url. */
static bool read_party(jv header, const char *name, unsigned char **party, size_t *size) {
    const char *text = json_string(header, name);
    *size = 0;
    *party = NULL;
    if (!json_has(header, name))
        return true;
    *party = text != NULL ? base64url_decode(text, strlen(text), size) : NULL;
    return *party != NULL;
}

/* Concat KDF with SHA-256, RFC 7518 §4.6.2. */
static bool derive(const struct jwe *jwe, const unsigned char *secret, size_t secret_size,
                   size_t wanted, unsigned char *key) {
    const char *name =
        jwe->key_algorithm->wrap != NULL ? jwe->key_algorithm->name : jwe->content_algorithm->name;
    unsigned char *us, *them, digest[32];
    size_t us_size, them_size;
    bool good = read_party(jwe->header, "apu", &us, &us_size);
    good = read_party(jwe->header, "apv", &them, &them_size) && good;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    for (size_t done = 0, round = 1; good && done < wanted; done += sizeof digest, round++) {
        size_t left = wanted - done;
        if (context == NULL || EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1 ||
            !add_number(context, round) || EVP_DigestUpdate(context, secret, secret_size) != 1 ||
            !add_sized(context, name, strlen(name)) || !add_sized(context, us, us_size) ||
            !add_sized(context, them, them_size) || !add_number(context, wanted * 8) ||
            EVP_DigestFinal_ex(context, digest, NULL) != 1)
            out_of_memory();
        memcpy(key + done, digest, left < sizeof digest ? left : sizeof digest);
    }
    EVP_MD_CTX_free(context);
    free(us);
    free(them);
    return good;
}

/* AES Key Wrap, RFC 3394. */
static bool unwrap(const struct jwe *jwe, const unsigned char *wrapping_key,
                   unsigned char *content_key) {
    size_t wanted = jwe->content_algorithm->key_bytes;
    unsigned char clear[KEY_LIMIT + 16];
    int size = 0, rest = 0;
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, jwe->key_algorithm->wrap, NULL);
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    if (context == NULL || cipher == NULL)
        out_of_memory();
    EVP_CIPHER_CTX_set_flags(context, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
    bool good = jwe->sizes[ENCRYPTED_KEY] == wanted + 8 &&
                EVP_DecryptInit_ex2(context, cipher, wrapping_key, NULL, NULL) == 1 &&
                EVP_DecryptUpdate(context, clear, &size, jwe->parts[ENCRYPTED_KEY],
                                  (int)jwe->sizes[ENCRYPTED_KEY]) == 1 &&
                EVP_DecryptFinal_ex(context, clear + size, &rest) == 1 &&
                (size_t)(size + rest) == wanted;
    if (good)
        memcpy(content_key, clear, wanted);
    EVP_CIPHER_CTX_free(context);
    EVP_CIPHER_free(cipher);
    return good;
}

static bool unwrap_by_ecdh(const struct jwe *jwe, EVP_PKEY *key, unsigned char *content_key) {
    unsigned char secret[80], wrapping_key[32];
    size_t size = sizeof secret;
    if (!EVP_PKEY_is_a(key, "EC") || !agree(jwe, key, secret, &size))
        return false;
    if (jwe->key_algorithm->wrap == NULL)
        return jwe->sizes[ENCRYPTED_KEY] == 0 &&
               derive(jwe, secret, size, jwe->content_algorithm->key_bytes, content_key);
    return derive(jwe, secret, size, jwe->key_algorithm->wrap_bytes, wrapping_key) &&
           unwrap(jwe, wrapping_key, content_key);
}

/* The content's key. One that cannot be had is a random one, so that all goes on as with another
 * (RFC 7516 §11.5). */
static void find_content_key(const struct jwe *jwe, EVP_PKEY *key, unsigned char *content_key) {
    unsigned char found[KEY_LIMIT];
    if (RAND_bytes(content_key, KEY_LIMIT) != 1)
        out_of_memory();
    bool good = jwe->key_algorithm->oaep_digest == NULL ? unwrap_by_ecdh(jwe, key, found)
                : EVP_PKEY_is_a(key, "RSA")             ? unwrap_by_rsa(jwe, key, found)
                                                        : false;
    if (good)
        memcpy(content_key, found, jwe->content_algorithm->key_bytes);
    OPENSSL_cleanse(found, sizeof found);
}

/* The HMAC over header, IV, ciphertext and the header's size in bits, RFC 7518 §5.2.2.1. */
static bool tag_holds(const struct jwe *jwe, const unsigned char *mac_key, size_t mac_key_size) {
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned mac_size = 0;
    size_t sizes[] = {jwe->coded_header_size, jwe->sizes[IV], jwe->sizes[CIPHERTEXT], 8};
    uint64_t bits = (uint64_t)jwe->coded_header_size * 8;
    unsigned char length[8];
    for (int i = 0; i < 8; i++)
        length[i] = (unsigned char)(bits >> (56 - 8 * i));
    const void *pieces[] = {jwe->coded_header, jwe->parts[IV], jwe->parts[CIPHERTEXT], length};
    size_t total = 0;
    unsigned char *text = must_alloc(sizes[0] + sizes[1] + sizes[2] + sizes[3]);
    for (int i = 0; i < 4; total += sizes[i], i++)
        memcpy(text + total, pieces[i], sizes[i]);
    const EVP_MD *digest = EVP_get_digestbyname(jwe->content_algorithm->digest);
    if (HMAC(digest, mac_key, (int)mac_key_size, text, total, mac, &mac_size) == NULL)
        out_of_memory();
    free(text);
    return jwe->sizes[TAG] == mac_size / 2 &&
           CRYPTO_memcmp(mac, jwe->parts[TAG], mac_size / 2) == 0;
}

/* The content with this key, with a 0 byte behind it; NULL if it is not authentic. */
static unsigned char *open_content(struct jwe *jwe, const unsigned char *content_key,
                                   size_t *size) {
    const struct content_algorithm *algorithm = jwe->content_algorithm;
    size_t half = algorithm->digest != NULL ? algorithm->key_bytes / 2 : 0;
    bool is_gcm = algorithm->digest == NULL;
    if (jwe->sizes[IV] != algorithm->iv_bytes || (is_gcm && jwe->sizes[TAG] != GCM_TAG) ||
        (!is_gcm && !tag_holds(jwe, content_key, half)))
        return NULL;
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, algorithm->cipher, NULL);
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    unsigned char *clear = must_alloc(jwe->sizes[CIPHERTEXT] + 32);
    int written = 0, rest = 0, ignored;
    if (context == NULL || cipher == NULL ||
        EVP_DecryptInit_ex2(context, cipher, content_key + half, jwe->parts[IV], NULL) != 1)
        out_of_memory();
    bool good =
        (!is_gcm ||
         (EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, GCM_TAG, jwe->parts[TAG]) == 1 &&
          EVP_DecryptUpdate(context, NULL, &ignored, (const unsigned char *)jwe->coded_header,
                            (int)jwe->coded_header_size) == 1)) &&
        EVP_DecryptUpdate(context, clear, &written, jwe->parts[CIPHERTEXT],
                          (int)jwe->sizes[CIPHERTEXT]) == 1 &&
        EVP_DecryptFinal_ex(context, clear + written, &rest) == 1;
    EVP_CIPHER_CTX_free(context);
    EVP_CIPHER_free(cipher);
    *size = (size_t)(written + rest);
    if (good) {
        clear[*size] = '\0';
        return clear;
    }
    free(clear);
    return NULL;
}

char *jwe_decrypt(const char *text, EVP_PKEY *key, struct error *error) {
    struct jwe jwe = {.header = jv_invalid()};
    unsigned char content_key[KEY_LIMIT], *content = NULL;
    size_t size = 0;
    if (!jwe_is(text) || strlen(text) > JWE_SIZE_LIMIT) {
        fail(error, STATUS_PROTOCOL, "not a compact JWE of at most %d bytes", JWE_SIZE_LIMIT);
        return NULL;
    }
    if (read_parts(text, &jwe, error) && read_header(&jwe, error)) {
        find_content_key(&jwe, key, content_key);
        content = open_content(&jwe, content_key, &size);
        OPENSSL_cleanse(content_key, sizeof content_key);
        if (content == NULL || memchr(content, '\0', size) != NULL) {
            free(content);
            content = NULL;
            end_without_memory();
            fail(error, STATUS_PROTOCOL, "it cannot be decrypted with the key of this client");
        }
    }
    jwe_free(&jwe);
    return (char *)content;
}
