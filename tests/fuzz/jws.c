#include "jws.h"
#include "id_token.h"
#include "json.h"
#include "jwk.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *t = malloc(size + 1);
    memcpy(t, data, size);
    t[size] = 0;
    struct error e;
    struct jws j;
    jv k;
    char *nl = strchr(t, '\n');
    if (nl) {
        *nl = 0;
        if (json_parse(nl + 1, strlen(nl + 1), &k, &e)) {
            EVP_PKEY *key = jwk_public_key(k, &e);
            EVP_PKEY_free(key);
            if (jws_parse(t, &j, &e)) {
                jws_verify(&j, k, &e);
                struct id_token_facts f = {"https://i/", "c", "u", "a", "t", 1e9, true, "r"};
                id_token_claims_hold(&j, &f, &e);
                jws_free(&j);
            }
        }
        jv_free(k);
    }
    free(t);
    return 0;
}
