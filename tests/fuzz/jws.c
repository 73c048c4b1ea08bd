/* A token on the first line, a JWKS on the second: parsed, verified, and its claims checked. */
#include "jws.h"
#include "id_token.h"
#include "json.h"
#include "jwk.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    char *text = must_format("%.*s", (int)size, (const char *)data), *keys = strchr(text, '\n');
    struct error error;
    struct jws token;
    jv set = jv_invalid();
    if (keys != NULL)
        *keys++ = '\0';
    if (keys != NULL && json_parse(keys, strlen(keys), &set, &error)) {
        EVP_PKEY_free(jwk_public_key(set, &error));
        if (jws_parse(text, &token, &error)) {
            struct id_token_facts facts = {"https://i/", "c", "u", "a", "t", 1e9, true, "r"};
            jws_verify(&token, set, &error);
            id_token_claims_hold(&token, &facts, &error);
            jws_free(&token);
        }
    }
    jv_free(set);
    free(text);
    return 0;
}
