/* A token on the first line, a JWKS on the second: parsed, verified, and its claims checked. */
#include "jose/jws.h"
#include "jose/jwk.h"
#include "oauth/id_token.h"
#include "json/json.h"

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
            struct id_token_facts facts = {.issuer = "https://i/",
                                           .client_id = "c",
                                           .user = "u",
                                           .auth_req_id = "a",
                                           .access_token = "t",
                                           .now = 1e9,
                                           .is_push = true,
                                           .refresh_token = "r"};
            jws_verify(&token, set, &error);
            id_token_claims_hold(&token, &facts, &error);
            jws_free(&token);
        }
    }
    jv_free(set);
    free(text);
    return 0;
}
