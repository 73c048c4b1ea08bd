/* JWTs that the client signs: to authenticate itself (private_key_jwt), and its requests. */
#include "sandbox.h"

#include "clock.h"
#include "json.h"
#include "jws.h"
#include "jwt.h"

#include <string.h>

enum { LIFETIME_LIMIT = 300 };

static bool is_new(struct sandbox *sandbox, jv claims) {
    const char *id = json_string(claims, "jti");
    if (id == NULL || json_has(sandbox->used_assertions, id))
        return false;
    sandbox->used_assertions = json_set(sandbox->used_assertions, id, jv_true());
    return true;
}

bool client_jwt_holds(struct sandbox *sandbox, const char *text, jv *claims, struct error *error) {
    struct jws jwt;
    double expires = 0, now = clock_now();
    int audiences;
    *claims = jv_invalid();
    if (!jws_parse(text, &jwt, error))
        return false;
    bool good = jws_verify(&jwt, sandbox->client_jwks, error) == JWS_VALID;
    if (good && jv_get_kind(jwt.payload) != JV_KIND_OBJECT)
        good = fail(error, 0, "its payload is not a JSON object");
    if (good && !json_is(jwt.payload, "iss", sandbox->client_id))
        good = fail(error, 0, "its iss is not the client");
    if (good && !jwt_audience_has(jwt.payload, sandbox->issuer, &audiences))
        good = fail(error, 0, "its aud is not this issuer");
    good = good && jwt_times_hold(jwt.payload, now, error);
    if (good && (!json_number(jwt.payload, "exp", &expires) || expires > now + LIFETIME_LIMIT))
        good = fail(error, 0, "it is good for longer than five minutes");
    if (good && !is_new(sandbox, jwt.payload))
        good = fail(error, 0, "it has no jti, or was used before");
    if (good)
        *claims = jv_copy(jwt.payload);
    jws_free(&jwt);
    return good;
}

jv signed_request_form(struct sandbox *sandbox, jv form, struct error *error) {
    static const char *const beside[] = {"request", "client_id", "client_secret",
                                         "client_assertion", "client_assertion_type"};
    jv claims, parameters = jv_object();
    int allowed = 0;
    for (size_t i = 0; i < sizeof beside / sizeof *beside; i++)
        allowed += json_has(form, beside[i]);
    bool good = allowed == jv_object_length(jv_copy(form)) ||
                fail(error, 0, "beside a signed request there may be no other parameter");
    good = good && client_jwt_holds(sandbox, json_string(form, "request"), &claims, error);
    jv_free(form);
    if (!good) {
        jv_free(parameters);
        return jv_invalid();
    }
    /* The rest of the provider knows forms, in which all is text. */
    jv_object_foreach(claims, name, value) {
        if (jv_get_kind(value) != JV_KIND_STRING)
            value = jv_dump_string(value, 0);
        parameters = jv_object_set(parameters, name, value);
    }
    jv_free(claims);
    return parameters;
}
