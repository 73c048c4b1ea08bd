#include "store.h"

#include "clock.h"
#include "config.h"
#include "digest.h"
#include "durable.h"
#include "json.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NONCE_SIZE = 12, TAG_SIZE = 16, FILE_LIMIT = 1 << 20, LEAST_SECONDS = 30 };

/* The name of the file for a question; the caller frees. NULL if it has a number that no double
 * holds. */
static char *slot_of(const struct store *store, jv authorization) {
    static const char *const same[] = {"issuer",   "user",  "login_hint", "audience",
                                       "resource", "scope", "acr_values", "authorization_details"};
    struct error ignored;
    jv reuse = json_get(authorization, "reuse");
    jv question = json_set(jv_object(), "reuse", jv_copy(reuse));
    question = json_set_string(question, "client_id", store->client_id);
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        if (json_has(authorization, same[i]))
            question = json_set(question, same[i], json_get(authorization, same[i]));
    /* For the same call the user must have read the same, too. */
    static const char *const of_call[] = {"call_digest", "binding_message"};
    for (size_t i = 0; json_is(reuse, "for", "call") && i < sizeof of_call / sizeof *of_call; i++)
        question = json_set_string(question, of_call[i], json_string(authorization, of_call[i]));
    char *text = json_canonical(question, &ignored), *slot = NULL;
    if (text != NULL) {
        char *digest = digest_of(text, strlen(text));
        slot = must_copy(digest + strlen("sha-256:"));
        free(digest);
    }
    free(text);
    jv_free(reuse);
    jv_free(question);
    return slot;
}

/* Of the key that was configured, which can be any text, the 256 bits that AES takes. */
static void cipher_key(const struct store *store, unsigned char *key) {
    char *text = must_format("ciba-tools store 1\n%s", store->key);
    EVP_Digest(text, strlen(text), key, NULL, EVP_sha256(), NULL);
    OPENSSL_cleanse(text, strlen(text));
    free(text);
}

/* Encrypts or decrypts `size` bytes of `from` into `to`; the tag, at `tag`, is written or checked.
 * The slot is authenticated with them. */
static bool run_cipher(const struct store *store, bool encrypt, const char *slot,
                       const unsigned char *nonce, const unsigned char *from, int size,
                       unsigned char *to, unsigned char *tag) {
    unsigned char key[32];
    int done;
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    cipher_key(store, key);
    bool good =
        cipher != NULL && EVP_CipherInit_ex(cipher, EVP_aes_256_gcm(), NULL, key, nonce, encrypt) &&
        EVP_CipherUpdate(cipher, NULL, &done, (const unsigned char *)slot, (int)strlen(slot)) &&
        EVP_CipherUpdate(cipher, to, &done, from, size) &&
        (encrypt || EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_GCM_SET_TAG, TAG_SIZE, tag)) &&
        EVP_CipherFinal_ex(cipher, to + done, &done) &&
        (!encrypt || EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_GCM_GET_TAG, TAG_SIZE, tag));
    OPENSSL_cleanse(key, sizeof key);
    EVP_CIPHER_CTX_free(cipher);
    return good;
}

bool store_put(const struct store *store, jv authorization, jv token, struct error *error) {
    double expires_at;
    char *slot = slot_of(store, authorization);
    if (slot == NULL || !json_number(token, "expires_at", &expires_at)) {
        free(slot);
        return true;
    }
    jv kept = json_set(json_set(jv_object(), "authorization", jv_copy(authorization)), "token",
                       jv_copy(token));
    char *text = json_text(kept), *noise = random_name(12);
    size_t size = strlen(text);
    unsigned char *file = must_alloc(NONCE_SIZE + TAG_SIZE + size);
    char *path = must_format("%s/%s", store->folder, slot);
    char *aside = must_format("%s/.%s", store->folder, noise);
    bool good = RAND_bytes(file, NONCE_SIZE) == 1 &&
                run_cipher(store, true, slot, file, (unsigned char *)text, (int)size,
                           file + NONCE_SIZE + TAG_SIZE, file + NONCE_SIZE);
    if (!good)
        fail(error, STATUS_INTERNAL, "%s: cannot be encrypted", store->folder);
    good = good && durable_folder(store->folder, error) &&
           durable_write(aside, path, (char *)file, NONCE_SIZE + TAG_SIZE + size, 0, error);
    OPENSSL_cleanse(text, size);
    jv_free(kept);
    free(slot);
    free(text);
    free(noise);
    free(file);
    free(path);
    free(aside);
    return good;
}

/* Whether the token is good for a while. */
static bool is_fresh(jv kept) {
    double expires_at = 0;
    jv token = json_get(kept, "token");
    bool fresh =
        json_number(token, "expires_at", &expires_at) && expires_at > clock_now() + LEAST_SECONDS;
    jv_free(token);
    return fresh;
}

static jv decrypt(const struct store *store, const char *slot, unsigned char *file, size_t size) {
    struct error ignored;
    jv kept = jv_invalid();
    if (size < NONCE_SIZE + TAG_SIZE)
        return kept;
    size_t text_size = size - NONCE_SIZE - TAG_SIZE;
    unsigned char *text = must_alloc(text_size + 1);
    if (run_cipher(store, false, slot, file, file + NONCE_SIZE + TAG_SIZE, (int)text_size, text,
                   file + NONCE_SIZE))
        json_parse((char *)text, text_size, &kept, &ignored);
    OPENSSL_cleanse(text, text_size);
    free(text);
    return kept;
}

jv store_get(const struct store *store, jv authorization) {
    struct error ignored;
    unsigned long size;
    jv kept = jv_invalid();
    char *slot = slot_of(store, authorization);
    if (slot == NULL)
        return kept;
    char *path = must_format("%s/%s", store->folder, slot);
    char *file = config_read_file(path, FILE_LIMIT, &size, &ignored);
    if (file != NULL)
        kept = decrypt(store, slot, (unsigned char *)file, size);
    if (jv_is_valid(kept) && !is_fresh(kept)) {
        unlink(path);
        jv_free(kept);
        kept = jv_invalid();
    }
    free(slot);
    free(path);
    free(file);
    return kept;
}
