/* A compact JWE: decrypted with an RSA key and with an EC key. */
#include "jose/jwe.h"

#include <openssl/ec.h>
#include <openssl/rsa.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    static EVP_PKEY *rsa, *ec;
    struct error error;
    if (rsa == NULL) {
        rsa = EVP_RSA_gen(2048);
        ec = EVP_EC_gen("P-256");
    }
    char *text = must_format("%.*s", (int)size, (const char *)data);
    free(jwe_decrypt(text, rsa, &error));
    free(jwe_decrypt(text, ec, &error));
    free(text);
    return 0;
}
