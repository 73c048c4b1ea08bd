#include "jose/key_file.h"

#include "system/settings.h"

#include <openssl/store.h>
#include <openssl/ui.h>
#include <string.h>
#include <unistd.h>

static int give_password(char *buffer, int size, int writing, void *data) {
    const char *password = data;
    (void)writing;
    if (password == NULL || (int)strlen(password) >= size)
        return -1;
    memcpy(buffer, password, strlen(password) + 1);
    return (int)strlen(password);
}

EVP_PKEY *key_file_load(const char *path, const char *password, struct error *error) {
    EVP_PKEY *key = NULL;
    /* A URI may contain a PIN; anything that is not a file may be a secret. */
    const char *name = access(path, F_OK) == 0 ? path : "what is named as a key";
    if (!file_is_private(path, error))
        return NULL;
    union {
        const char *text;
        void *data;
    } secret = {password};
    UI_METHOD *method = UI_UTIL_wrap_read_pem_callback(give_password, 0);
    OSSL_STORE_CTX *store = OSSL_STORE_open(path, method, secret.data, NULL, NULL);
    if (store == NULL) {
        UI_destroy_method(method);
        fail(error, STATUS_NO_FILE, "%s: the key cannot be opened", name);
        return NULL;
    }
    while (key == NULL && !OSSL_STORE_eof(store) && !OSSL_STORE_error(store)) {
        OSSL_STORE_INFO *info = OSSL_STORE_load(store);
        if (info != NULL && OSSL_STORE_INFO_get_type(info) == OSSL_STORE_INFO_PKEY)
            key = OSSL_STORE_INFO_get1_PKEY(info);
        OSSL_STORE_INFO_free(info);
    }
    OSSL_STORE_close(store);
    UI_destroy_method(method);
    if (key == NULL)
        fail(error, STATUS_CONFIG, "%s: has no private key that can be read%s", name,
             password == NULL ? "; does it need a password?" : " with this password");
    return key;
}
