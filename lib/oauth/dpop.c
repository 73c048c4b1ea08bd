#include "oauth/dpop.h"

#include "base/clock.h"
#include "http/url.h"
#include "jose/digest.h"
#include "jose/jwk.h"
#include "jose/jws.h"
#include "json/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static jv claims_of(const char *method, const char *target, const char *nonce,
                    const char *access_token) {
    char *id = random_name(16);
    jv claims = json_set_string(json_set_string(jv_object(), "htm", method), "htu", target);
    claims = json_set(json_set_string(claims, "jti", id), "iat", jv_number(floor(clock_now())));
    claims = json_set_string(claims, "nonce", nonce);
    if (access_token != NULL) {
        char *hash = digest_of(access_token, strlen(access_token));
        claims = json_set_string(claims, "ath", hash + strlen("sha-256:"));
        free(hash);
    }
    free(id);
    return claims;
}

char *dpop_header(EVP_PKEY *key, const char *alg, const char *method, const char *url,
                  const char *nonce, const char *access_token, struct error *error) {
    char *target = http_target(url, error);
    jv jwk = target != NULL ? jwk_of_key(key, error) : jv_invalid();
    if (!jv_is_valid(jwk)) {
        free(target);
        return NULL;
    }
    jv header = json_set(json_set_string(jv_object(), "typ", "dpop+jwt"), "jwk", jwk);
    jv claims = claims_of(method, target, nonce, access_token);
    char *proof =
        jws_sign(header, claims, alg != NULL ? alg : jws_algorithm_for(key, jv_null()), key, error);
    char *line = proof != NULL ? must_format("DPoP: %s", proof) : NULL;
    jv_free(claims);
    free(target);
    free(proof);
    return line;
}
