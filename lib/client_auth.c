#include "client_auth.h"

#include "form.h"
#include "json.h"
#include "jws.h"

#include <stdlib.h>
#include <string.h>

typedef bool (*apply_method)(const struct client *, struct client_message *, struct error *);

static bool apply_id(const struct client *client, struct client_message *message,
                     struct error *error) {
    (void)error;
    message->form = form_add(message->form, "client_id", client->id);
    return true;
}

static bool apply_post(const struct client *client, struct client_message *message,
                       struct error *error) {
    apply_id(client, message, error);
    message->form = form_add(message->form, "client_secret", client->secret);
    return true;
}

/* RFC 6749 §2.3.1: each form-encoded, then joined and base64-encoded (by libcurl). */
static bool apply_basic(const struct client *client, struct client_message *message,
                        struct error *error) {
    (void)error;
    message->user = form_encode(client->id);
    message->password = form_encode(client->secret);
    return true;
}

/* RFC 7523 §2.2; takes the assertion. */
static bool add_assertion(const struct client *client, struct client_message *message,
                          char *assertion, struct error *error) {
    if (assertion == NULL)
        return false;
    apply_id(client, message, error);
    message->form = form_add(message->form, "client_assertion_type",
                             "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    message->form = form_add(message->form, "client_assertion", assertion);
    free(assertion);
    return true;
}

static bool apply_secret_jwt(const struct client *client, struct client_message *message,
                             struct error *error) {
    jv claims = json_set_string(client_claims(client), "sub", client->id);
    jv header = json_set_string(jv_object(), "typ", "JWT");
    char *assertion = jws_sign_secret(header, claims, client->secret);
    jv_free(claims);
    return add_assertion(client, message, assertion, error);
}

static bool apply_key_jwt(const struct client *client, struct client_message *message,
                          struct error *error) {
    jv claims = json_set_string(client_claims(client), "sub", client->id);
    return add_assertion(client, message, client_sign(client, claims, "JWT", error), error);
}

enum needs { NEEDS_CERTIFICATE, NEEDS_KEY, NEEDS_SECRET };

/* The best first. Post stands before basic, since not every server decodes what basic encodes; a
 * secret is not put into a JWT unless nothing else is offered. */
static const struct method {
    const char *name;
    enum needs needs;
    apply_method apply;
} methods[] = {
    {"tls_client_auth", NEEDS_CERTIFICATE, apply_id},
    {"self_signed_tls_client_auth", NEEDS_CERTIFICATE, apply_id},
    {"private_key_jwt", NEEDS_KEY, apply_key_jwt},
    {"client_secret_post", NEEDS_SECRET, apply_post},
    {"client_secret_basic", NEEDS_SECRET, apply_basic},
    {"client_secret_jwt", NEEDS_SECRET, apply_secret_jwt},
};

static const struct method *find_method(const char *name, struct error *error) {
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (strcmp(methods[i].name, name) == 0)
            return &methods[i];
    fail(error, STATUS_USAGE, "--client-auth: there is no method '%s'", name);
    return NULL;
}

static bool has_what_it_needs(const struct client *client, const struct method *method) {
    return method->needs == NEEDS_CERTIFICATE ? client->has_certificate
           : method->needs == NEEDS_KEY       ? client->key != NULL
                                              : client->secret != NULL;
}

bool client_auth_check(const struct client *client, struct error *error) {
    static const char *const missing[] = {
        "no client certificate: --cert names it", "no client key: --client-key-file names it",
        "no client secret: set CIBA_CLIENT_SECRET or AUTH0_CLIENT_SECRET, or --client-secret-file"};
    if (client->authentication == NULL) {
        bool any = client->has_certificate || client->key != NULL || client->secret != NULL;
        return any || fail(error, STATUS_CONFIG, "%s", missing[NEEDS_SECRET]);
    }
    const struct method *method = find_method(client->authentication, error);
    return method != NULL && (has_what_it_needs(client, method) ||
                              fail(error, STATUS_CONFIG, "%s", missing[method->needs]));
}

static bool is_offered(jv offered, const char *name) {
    bool found = false;
    jv_array_foreach(offered, i, one) {
        const char *text = json_value_string(one);
        found = found || (text != NULL && strcmp(text, name) == 0);
        jv_free(one);
    }
    return found;
}

bool client_auth_choose(struct client *client, struct error *error) {
    if (client->authentication != NULL)
        return true;
    jv offered = json_get(client->metadata, "token_endpoint_auth_methods_supported");
    if (jv_get_kind(offered) != JV_KIND_ARRAY) {
        /* What is implied where nothing is said (Discovery §3). */
        jv_free(offered);
        offered = JV_ARRAY(jv_string("client_secret_basic"));
    }
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (client->authentication == NULL && is_offered(offered, methods[i].name) &&
            has_what_it_needs(client, &methods[i]))
            client->authentication = methods[i].name;
    char *list = json_text(offered);
    jv_free(offered);
    if (client->authentication == NULL)
        fail(error, STATUS_CONFIG,
             "%s: offers %.300s, for none of which there is a secret, key or certificate; "
             "--client-auth tries another",
             client->issuer, list);
    free(list);
    return client->authentication != NULL;
}

bool client_auth_apply(const struct client *client, struct client_message *message,
                       struct error *error) {
    const struct method *method = find_method(client->authentication, error);
    return method != NULL && method->apply(client, message, error);
}
