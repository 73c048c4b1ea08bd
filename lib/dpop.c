#include "dpop.h"

#include "clock.h"
#include "digest.h"
#include "json.h"
#include "jwk.h"
#include "jws.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static jv claims_of(const char *method, const char *url, const char *nonce,
                    const char *access_token) {
    char *id = random_name(16);
    char *target = must_format("%.*s", (int)strcspn(url, "?#"), url);
    jv claims = json_set_string(json_set_string(jv_object(), "htm", method), "htu", target);
    claims = json_set(json_set_string(claims, "jti", id), "iat", jv_number(floor(clock_now())));
    claims = json_set_string(claims, "nonce", nonce);
    if (access_token != NULL) {
        char *hash = digest_of(access_token, strlen(access_token));
        claims = json_set_string(claims, "ath", hash + strlen("sha-256:"));
        free(hash);
    }
    free(id);
    free(target);
    return claims;
}

char *dpop_header(EVP_PKEY *key, const char *method, const char *url, const char *nonce,
                  const char *access_token, struct error *error) {
    jv jwk = jwk_of_key(key, error);
    if (!jv_is_valid(jwk))
        return NULL;
    jv header = json_set(json_set_string(jv_object(), "typ", "dpop+jwt"), "jwk", jwk);
    jv claims = claims_of(method, url, nonce, access_token);
    char *proof = jws_sign(header, claims, jws_algorithm_for(key), key, error);
    char *line = proof != NULL ? must_format("DPoP: %s", proof) : NULL;
    jv_free(claims);
    free(proof);
    return line;
}
