/* Private keys: PEM, DER or PKCS#12 files, and everything else that OpenSSL's OSSL_STORE opens,
 * such as a `pkcs11:` URI if a provider for it is configured. */
#ifndef CIBA_JOSE_KEY_FILE_H
#define CIBA_JOSE_KEY_FILE_H

#include "base/error.h"

#include <openssl/evp.h>

/* The private key at the path or URI; free it with EVP_PKEY_free. `password` may be NULL; never
 * prompts for one. NULL and an error with status 66 or 78. */
EVP_PKEY *key_file_load(const char *path, const char *password, struct error *error);

#endif
