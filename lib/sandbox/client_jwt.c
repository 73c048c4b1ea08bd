#include "sandbox/client_jwt.h"

#include "base/clock.h"
#include "jose/jws.h"
#include "jose/jwt.h"
#include "json/json.h"

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
    if (good && !json_has(jwt.payload, "iat"))
        good = fail(error, 0, "it has no iat");
    if (good && (!json_number(jwt.payload, "exp", &expires) || expires > now + LIFETIME_LIMIT))
        good = fail(error, 0, "it is good for longer than five minutes");
    if (good && !is_new(sandbox, jwt.payload))
        good = fail(error, 0, "it has no jti, or was used before");
    if (good)
        *claims = jv_copy(jwt.payload);
    jws_free(&jwt);
    return good;
}

bool client_assertion_holds(const struct sandbox *sandbox, jv form, struct error *error) {
    static const char bearer[] = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                      spiffe[] = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe";
    struct jws jwt;
    int audiences;
    if (!jws_parse(json_string(form, "client_assertion"), &jwt, error))
        return false;
    const char *subject = json_string(jwt.payload, "sub");
    bool is_spiffe = subject != NULL && strncmp(subject, "spiffe://", 9) == 0;
    bool good = jws_verify_key(&jwt, sandbox->assertion_key) ||
                fail(error, 0, "it is not signed by who may speak for the client");
    if (good && (!jwt_audience_has(jwt.payload, sandbox->issuer, &audiences) || audiences != 1))
        good = fail(error, 0, "its aud is not this issuer alone");
    good = good && jwt_times_hold(jwt.payload, clock_now(), error);
    if (good && !json_is(form, "client_assertion_type", is_spiffe ? spiffe : bearer))
        good = fail(error, 0, "its type is another");
    if (good && (subject == NULL || (!is_spiffe && !json_has(jwt.payload, "iss"))))
        good = fail(error, 0, "it has no sub or no iss");
    if (good && json_has(form, "client_id") && !json_is(form, "client_id", sandbox->client_id))
        good = fail(error, 0, "client_id is another client");
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
    /* The provider otherwise reads forms, in which everything is text. */
    jv_object_foreach(claims, name, value) {
        if (jv_get_kind(value) != JV_KIND_STRING)
            value = jv_dump_string(value, 0);
        parameters = jv_object_set(parameters, name, value);
    }
    jv_free(claims);
    return parameters;
}
