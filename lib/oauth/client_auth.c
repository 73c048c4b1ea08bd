#include "oauth/client_auth.h"

#include "base/clock.h"
#include "http/form.h"
#include "jose/digest.h"
#include "jose/jws.h"
#include "json/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char assertion_algorithms[] = "token_endpoint_auth_signing_alg_values_supported";

enum { ASSERTION_SECONDS = 60 };

jv client_auth_claims(const struct credentials *credentials) {
    double now = floor(clock_now());
    char *id = random_name(24);
    jv claims = json_set_string(jv_object(), "iss", credentials->id);
    claims = json_set_string(claims, "aud", credentials->assertion_audience);
    claims = json_set(claims, "iat", jv_number(now));
    claims = json_set(claims, "exp", jv_number(now + ASSERTION_SECONDS));
    claims = json_set_string(claims, "jti", id);
    free(id);
    return claims;
}

char *client_auth_sign(const struct issuer *issuer, const struct credentials *credentials,
                       jv claims, const char *type, const char *list, struct error *error) {
    const char *algorithm = credentials->key_algorithm != NULL
                                ? credentials->key_algorithm
                                : issuer_algorithm(issuer, credentials->key, list, error);
    jv header = json_set_string(jv_object(), "typ", type);
    header = json_set_string(header, "kid", credentials->key_id);
    char *jwt = NULL;
    if (algorithm != NULL)
        jwt = jws_sign(header, claims, algorithm, credentials->key, error);
    else
        jv_free(header);
    jv_free(claims);
    return jwt;
}

typedef bool (*apply_method)(const struct issuer *, const struct credentials *,
                             struct authentication *, struct error *);

static bool apply_id(const struct issuer *issuer, const struct credentials *credentials,
                     struct authentication *parts, struct error *error) {
    (void)issuer;
    (void)error;
    parts->form = form_add(parts->form, "client_id", credentials->id);
    return true;
}

static bool apply_post(const struct issuer *issuer, const struct credentials *credentials,
                       struct authentication *parts, struct error *error) {
    apply_id(issuer, credentials, parts, error);
    parts->form = form_add(parts->form, "client_secret", credentials->secret);
    return true;
}

/* RFC 6749 §2.3.1: each form-encoded, then joined and base64-encoded (by libcurl). */
static bool apply_basic(const struct issuer *issuer, const struct credentials *credentials,
                        struct authentication *parts, struct error *error) {
    (void)issuer;
    (void)error;
    parts->user = form_encode(credentials->id);
    parts->password = form_encode(credentials->secret);
    return true;
}

static const char bearer_type[] = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                  spiffe_type[] = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe";

/* RFC 7523 §2.2. */
static bool add_assertion(const struct issuer *issuer, const struct credentials *credentials,
                          struct authentication *parts, const char *type, const char *assertion,
                          struct error *error) {
    if (assertion == NULL)
        return false;
    apply_id(issuer, credentials, parts, error);
    parts->form = form_add(parts->form, "client_assertion_type", type);
    parts->form = form_add(parts->form, "client_assertion", assertion);
    return true;
}

/* draft-ietf-oauth-spiffe-client-auth-02 §3.1. */
static bool apply_spiffe_jwt(const struct issuer *issuer, const struct credentials *credentials,
                             struct authentication *parts, struct error *error) {
    return add_assertion(issuer, credentials, parts, spiffe_type,
                         client_assertion_read(credentials->assertion, error), error);
}

static bool apply_secret_jwt(const struct issuer *issuer, const struct credentials *credentials,
                             struct authentication *parts, struct error *error) {
    const char *algorithm = issuer_algorithm(issuer, NULL, assertion_algorithms, error);
    if (algorithm == NULL)
        return false;
    jv claims = json_set_string(client_auth_claims(credentials), "sub", credentials->id);
    jv header = json_set_string(jv_object(), "typ", "JWT");
    char *assertion = jws_sign_secret(header, claims, algorithm, credentials->secret);
    jv_free(claims);
    bool good = add_assertion(issuer, credentials, parts, bearer_type, assertion, error);
    free(assertion);
    return good;
}

static bool apply_key_jwt(const struct issuer *issuer, const struct credentials *credentials,
                          struct authentication *parts, struct error *error) {
    if (credentials->assertion != NULL) /* then the key is for signed requests */
        return add_assertion(issuer, credentials, parts, bearer_type,
                             client_assertion_read(credentials->assertion, error), error);
    jv claims = json_set_string(client_auth_claims(credentials), "sub", credentials->id);
    char *assertion =
        client_auth_sign(issuer, credentials, claims, "JWT", assertion_algorithms, error);
    bool good = add_assertion(issuer, credentials, parts, bearer_type, assertion, error);
    free(assertion);
    return good;
}

enum needs { NEEDS_CERTIFICATE, NEEDS_ASSERTION, NEEDS_KEY, NEEDS_SECRET };

/* The best first. Post is before basic, because not every server decodes basic's encoding; a secret
 * is put into a JWT only if nothing else is offered. */
static const struct method {
    const char *name;
    enum needs needs;
    apply_method apply;
} methods[] = {
    {"tls_client_auth", NEEDS_CERTIFICATE, apply_id},
    {"self_signed_tls_client_auth", NEEDS_CERTIFICATE, apply_id},
    {"spiffe_jwt", NEEDS_ASSERTION, apply_spiffe_jwt},
    {"private_key_jwt", NEEDS_KEY, apply_key_jwt},
    {"client_secret_post", NEEDS_SECRET, apply_post},
    {"client_secret_basic", NEEDS_SECRET, apply_basic},
    {"client_secret_jwt", NEEDS_SECRET, apply_secret_jwt},
};

static const struct method *find_method(const char *name, struct error *error) {
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (strcmp(methods[i].name, name) == 0)
            return &methods[i];
    fail(error, STATUS_USAGE,
         "--client-auth: '%.100s' is not tls_client_auth, self_signed_tls_client_auth, spiffe_jwt, "
         "private_key_jwt, client_secret_post, client_secret_basic or client_secret_jwt",
         name);
    return NULL;
}

static bool has_what_it_needs(const struct issuer *issuer, const struct credentials *credentials,
                              const struct method *method) {
    bool asserted = credentials->assertion != NULL;
    return method->needs == NEEDS_CERTIFICATE ? issuer->shows_certificate
           : method->needs == NEEDS_ASSERTION ? asserted
           : method->needs == NEEDS_KEY       ? asserted || credentials->key != NULL
                                              : credentials->secret != NULL;
}

bool client_auth_check(const struct issuer *issuer, const struct credentials *credentials,
                       struct error *error) {
    static const char *const missing[] = {
        "no client certificate: --tls-cert-file names it",
        "no client assertion: --client-assertion-file names it",
        "no client key: --client-key-file names it",
        "no client secret: set CIBA_CLIENT_SECRET or AUTH0_CLIENT_SECRET, or --client-secret-file"};
    if (credentials->method == NULL) {
        bool any = issuer->shows_certificate || credentials->assertion != NULL ||
                   credentials->key != NULL || credentials->secret != NULL;
        return any || fail(error, STATUS_CONFIG, "%s", missing[NEEDS_SECRET]);
    }
    const struct method *method = find_method(credentials->method, error);
    return method != NULL && (has_what_it_needs(issuer, credentials, method) ||
                              fail(error, STATUS_CONFIG, "%s", missing[method->needs]));
}

bool client_auth_choose(const struct issuer *issuer, struct credentials *credentials,
                        struct error *error) {
    if (credentials->method == NULL && credentials->assertion != NULL)
        credentials->method =
            client_assertion_is_spiffe(credentials->assertion) ? "spiffe_jwt" : "private_key_jwt";
    if (credentials->method != NULL)
        return true;
    jv offered = json_get(issuer->metadata, "token_endpoint_auth_methods_supported");
    if (jv_get_kind(offered) != JV_KIND_ARRAY) {
        /* The default if the metadata have no list (Discovery §3). */
        jv_free(offered);
        offered = JV_ARRAY(jv_string("client_secret_basic"));
    }
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (credentials->method == NULL && json_lists(offered, methods[i].name) &&
            has_what_it_needs(issuer, credentials, &methods[i]))
            credentials->method = methods[i].name;
    char *list = json_text(offered);
    jv_free(offered);
    if (credentials->method == NULL)
        fail(error, STATUS_CONFIG,
             "%s: offers %.300s, for none of which there is a secret, key or certificate; "
             "--client-auth tries another",
             issuer->url, list);
    free(list);
    return credentials->method != NULL;
}

bool client_auth_apply(const struct issuer *issuer, const struct credentials *credentials,
                       struct authentication *parts, struct error *error) {
    const struct method *method = find_method(credentials->method, error);
    return method != NULL && method->apply(issuer, credentials, parts, error);
}
