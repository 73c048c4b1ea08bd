#include "approval/encrypted_file.h"

#include "jose/digest.h"
#include "system/durable_file.h"
#include "system/settings.h"
#include "json/json.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

enum { NONCE_SIZE = 12, TAG_SIZE = 16, FILE_LIMIT = 1 << 20 };

/* Derives the 256-bit AES key from the configured key. */
static void cipher_key(const char *configured, unsigned char *key) {
    char *text = must_format("ciba-tools store 1\n%s", configured);
    EVP_Digest(text, strlen(text), key, NULL, EVP_sha256(), NULL);
    OPENSSL_cleanse(text, strlen(text));
    free(text);
}

/* Encrypts or decrypts `size` bytes of `from` into `to`; writes or checks the tag, at `tag`. The
 * name is authenticated too. */
static bool run_cipher(const char *configured, bool encrypt, const char *name,
                       const unsigned char *nonce, const unsigned char *from, int size,
                       unsigned char *to, unsigned char *tag) {
    unsigned char key[32];
    int done;
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    cipher_key(configured, key);
    bool good =
        cipher != NULL && EVP_CipherInit_ex(cipher, EVP_aes_256_gcm(), NULL, key, nonce, encrypt) &&
        EVP_CipherUpdate(cipher, NULL, &done, (const unsigned char *)name, (int)strlen(name)) &&
        EVP_CipherUpdate(cipher, to, &done, from, size) &&
        (encrypt || EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_GCM_SET_TAG, TAG_SIZE, tag)) &&
        EVP_CipherFinal_ex(cipher, to + done, &done) &&
        (!encrypt || EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_GCM_GET_TAG, TAG_SIZE, tag));
    OPENSSL_cleanse(key, sizeof key);
    EVP_CIPHER_CTX_free(cipher);
    return good;
}

/* The bytes of a file, which the caller frees; NULL if there are no random numbers. Sets *size. */
static unsigned char *encrypt(const char *key, const char *name, jv value, size_t *size) {
    char *text = json_text(value);
    size_t text_size = strlen(text);
    *size = NONCE_SIZE + TAG_SIZE + text_size;
    unsigned char *file = must_alloc(*size);
    bool good = RAND_bytes(file, NONCE_SIZE) == 1 &&
                run_cipher(key, true, name, file, (unsigned char *)text, (int)text_size,
                           file + NONCE_SIZE + TAG_SIZE, file + NONCE_SIZE);
    OPENSSL_cleanse(text, text_size);
    free(text);
    if (good)
        return file;
    free(file);
    return NULL;
}

bool encrypted_file_write(const char *folder, const char *key, const char *name, jv value,
                          struct error *error) {
    size_t size;
    char *noise = random_name(12);
    unsigned char *file = encrypt(key, name, value, &size);
    char *path = must_format("%s/%s", folder, name), *aside = must_format("%s/.%s", folder, noise);
    bool good = file != NULL || fail(error, STATUS_INTERNAL, "%s: cannot be encrypted", folder);
    good = good && durable_folder(folder, error) &&
           durable_write(aside, path, (char *)file, size, 0, error);
    free(noise);
    free(file);
    free(path);
    free(aside);
    return good;
}

static jv decrypt(const char *key, const char *name, unsigned char *file, size_t size) {
    struct error ignored;
    jv value = jv_invalid();
    if (size < NONCE_SIZE + TAG_SIZE)
        return value;
    size_t text_size = size - NONCE_SIZE - TAG_SIZE;
    unsigned char *text = must_alloc(text_size + 1);
    if (run_cipher(key, false, name, file, file + NONCE_SIZE + TAG_SIZE, (int)text_size, text,
                   file + NONCE_SIZE))
        json_parse((char *)text, text_size, &value, &ignored);
    OPENSSL_cleanse(text, text_size);
    free(text);
    return value;
}

jv encrypted_file_read(const char *folder, const char *key, const char *name) {
    struct error ignored;
    unsigned long size;
    jv value = jv_invalid();
    char *path = must_format("%s/%s", folder, name);
    char *file = file_read(path, FILE_LIMIT, &size, &ignored);
    if (file != NULL)
        value = decrypt(key, name, (unsigned char *)file, size);
    free(path);
    free(file);
    return value;
}

char *encrypted_text(const char *key, const char *name, jv value) {
    size_t size;
    unsigned char *bytes = encrypt(key, name, value, &size);
    char *text = bytes != NULL ? base64url_encode(bytes, size) : NULL;
    free(bytes);
    return text;
}

jv encrypted_text_read(const char *key, const char *name, const char *text) {
    size_t size;
    unsigned char *bytes = base64url_decode(text, strlen(text), &size);
    jv value = bytes != NULL ? decrypt(key, name, bytes, size) : jv_invalid();
    free(bytes);
    return value;
}
