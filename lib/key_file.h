/* Private keys: PEM, DER or PKCS#12 files, and whatever else OpenSSL's OSSL_STORE opens, such as a
 * `pkcs11:` URI where a provider for it is configured. */
#ifndef CIBA_KEY_FILE_H
#define CIBA_KEY_FILE_H

#include "error.h"

#include <openssl/evp.h>

/* The private key at the path or URI, to be freed with EVP_PKEY_free. `password` may be NULL;
 * nobody is asked for one. NULL and an error with status 66 or 78. */
EVP_PKEY *key_file_load(const char *path, const char *password, struct error *error);

#endif
