#include "client.h"

#include "client_auth.h"
#include "clock.h"
#include "config.h"
#include "digest.h"
#include "dpop.h"
#include "json.h"
#include "jws.h"
#include "key_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { KEYS_REFETCH_SECONDS = 30, ASSERTION_SECONDS = 60 };

static const char *configured_issuer(const char *flag) {
    const char *issuer = config_get(flag, "CIBA_ISSUER", NULL);
    const char *domain = issuer != NULL ? NULL : config_get(NULL, "AUTH0_DOMAIN", NULL);
    return domain != NULL ? config_keep(must_format("https://%s/", domain)) : issuer;
}

bool client_configure_issuer(struct client *client, const struct client_settings *settings,
                             struct error *error) {
    *client = (struct client){.metadata = jv_invalid(), .jwks = jv_invalid()};
    if (!config_load(settings->env_file, error))
        return false;
    client->issuer = configured_issuer(settings->issuer);
    if (client->issuer == NULL)
        return fail(error, STATUS_CONFIG,
                    "no issuer: set CIBA_ISSUER or AUTH0_DOMAIN, or --issuer");
    if (!http_url_allowed(client->issuer, error))
        return false;
    struct http_settings http = settings->http;
    if (settings->key_password_file != NULL &&
        !config_secret(&client->key_password, error, settings->key_password_file, NULL))
        return false;
    http.key_password = client->key_password;
    client->has_certificate = http.cert != NULL;
    client->http = http_new(&http, config_get(NULL, "SSL_CERT_FILE", NULL),
                            config_get(NULL, "SSL_CERT_DIR", NULL));
    return true;
}

static bool load_keys(struct client *client, const struct client_settings *settings,
                      struct error *error) {
    client->key_id = settings->key_id;
    if (settings->key_file != NULL) {
        client->key = key_file_load(settings->key_file, client->key_password, error);
        if (client->key == NULL)
            return false;
        client->key_algorithm = settings->key_algorithm != NULL ? settings->key_algorithm
                                                                : jws_algorithm_for(client->key);
    }
    if (settings->dpop_key != NULL)
        client->dpop_key = key_file_load(settings->dpop_key, client->key_password, error);
    return settings->dpop_key == NULL || client->dpop_key != NULL;
}

bool client_configure(struct client *client, const struct client_settings *settings,
                      struct error *error) {
    if (!client_configure_issuer(client, settings, error))
        return false;
    client->id = config_get(settings->client_id, "CIBA_CLIENT_ID", "AUTH0_CLIENT_ID", NULL);
    if (client->id == NULL)
        return fail(error, STATUS_CONFIG,
                    "no client: set CIBA_CLIENT_ID or AUTH0_CLIENT_ID, or --client-id");
    client->assertion_audience =
        settings->assertion_audience != NULL ? settings->assertion_audience : client->issuer;
    if (!config_secret(&client->secret, error, settings->secret_file, "CIBA_CLIENT_SECRET",
                       "AUTH0_CLIENT_SECRET", NULL) ||
        !load_keys(client, settings, error))
        return false;
    client->authentication = settings->authentication;
    return client_auth_check(client, error);
}

void client_free(struct client *client) {
    http_free(client->http);
    EVP_PKEY_free(client->key);
    EVP_PKEY_free(client->dpop_key);
    free(client->dpop_nonce);
    free(client->pending_words);
    jv_free(client->metadata);
    jv_free(client->jwks);
}

/* A GET of a JSON object. False and an error with status 69 or 76. */
static bool fetch_json(struct client *client, const char *url, jv *object, struct error *error) {
    struct http_request request = {.method = "GET", .url = url};
    struct http_answer answer;
    struct error why;
    *object = jv_invalid();
    http_call(client->http, &request, &answer);
    bool good = false;
    if (answer.outcome != HTTP_ANSWERED)
        fail(error, answer.exit_status, "%s", answer.why);
    else if (answer.status >= 500 || answer.status == 429)
        fail(error, STATUS_UNAVAILABLE, "%s: HTTP %ld", url, answer.status);
    else if (answer.status != 200)
        fail(error, STATUS_PROTOCOL, "%s: HTTP %ld instead of 200; is the issuer right?", url,
             answer.status);
    else if (!json_parse(answer.body, answer.size, object, &why))
        fail(error, STATUS_PROTOCOL, "%s: not a JSON object (%s)", url, why.text);
    else if (!(good = jv_get_kind(*object) == JV_KIND_OBJECT))
        fail(error, STATUS_PROTOCOL, "%s: not a JSON object", url);
    http_answer_free(&answer);
    if (!good) {
        jv_free(*object);
        *object = jv_invalid();
    }
    return good;
}

bool client_discover(struct client *client, struct error *error) {
    if (jv_is_valid(client->metadata))
        return client->id == NULL || client_auth_choose(client, error);
    jv metadata;
    size_t size = strlen(client->issuer);
    size -= size > 0 && client->issuer[size - 1] == '/';
    char *url = must_format("%.*s/.well-known/openid-configuration", (int)size, client->issuer);
    bool good = fetch_json(client, url, &metadata, error);
    if (good && !json_is(metadata, "issuer", client->issuer)) {
        const char *named = json_string(metadata, "issuer");
        good = fail(error, STATUS_CONFIG,
                    "%s: says that its issuer is '%.200s', not '%s'; the two must be the same", url,
                    named != NULL ? named : "", client->issuer);
    }
    free(url);
    if (!good) {
        jv_free(metadata);
        return false;
    }
    client->metadata = metadata;
    return client->id == NULL || client_auth_choose(client, error);
}

const char *client_endpoint(const struct client *client, const char *name, struct error *error) {
    jv aliases = json_get(client->metadata, "mtls_endpoint_aliases");
    const char *url = client->has_certificate ? json_string(aliases, name) : NULL;
    jv_free(aliases); /* the metadata still hold it */
    if (url == NULL)
        url = json_string(client->metadata, name);
    if (url == NULL) {
        fail(error, STATUS_CONFIG, "%s: its metadata has no %s; does it offer CIBA to clients?",
             client->issuer, name);
        return NULL;
    }
    /* The client's secret goes there: no less safely than to the issuer. */
    if (strncasecmp(client->issuer, "https:", 6) == 0 && strncasecmp(url, "https:", 6) != 0) {
        fail(error, STATUS_CONFIG, "%s: its metadata's %s is not https", client->issuer, name);
        return NULL;
    }
    return http_url_allowed(url, error) ? url : NULL;
}

bool client_fetch_keys(struct client *client, bool again, struct error *error) {
    bool have = jv_is_valid(client->jwks);
    double now = clock_elapsed();
    if (have && (!again || now - client->jwks_fetched_again_at < KEYS_REFETCH_SECONDS))
        return true;
    const char *url = client_endpoint(client, "jwks_uri", error);
    jv jwks;
    if (url == NULL || !fetch_json(client, url, &jwks, error))
        return false;
    if (have)
        client->jwks_fetched_again_at = now;
    jv_free(client->jwks);
    client->jwks = jwks;
    return true;
}

jv client_claims(const struct client *client) {
    double now = floor(clock_now());
    char *id = random_name(24);
    jv claims = json_set_string(jv_object(), "iss", client->id);
    claims = json_set_string(claims, "aud", client->assertion_audience);
    claims = json_set(claims, "iat", jv_number(now));
    claims = json_set(claims, "exp", jv_number(now + ASSERTION_SECONDS));
    claims = json_set_string(claims, "jti", id);
    free(id);
    return claims;
}

char *client_sign(const struct client *client, jv claims, const char *type, struct error *error) {
    jv header = json_set_string(jv_object(), "typ", type);
    header = json_set_string(header, "kid", client->key_id);
    char *jwt = jws_sign(header, claims, client->key_algorithm, client->key, error);
    jv_free(claims);
    return jwt;
}

bool client_message(const struct client *client, const char *url, char *form, bool dpop,
                    struct client_message *message, struct error *error) {
    *message = (struct client_message){.form = form};
    bool good = client_auth_apply(client, message, error);
    if (good && dpop && client->dpop_key != NULL) {
        message->dpop = dpop_header(client->dpop_key, "POST", url, client->dpop_nonce, NULL, error);
        good = message->dpop != NULL;
    }
    if (!good) {
        client_message_free(message);
        return false;
    }
    message->request = (struct http_request){.method = "POST",
                                             .url = url,
                                             .body = message->form,
                                             .content_type = "application/x-www-form-urlencoded",
                                             .user = message->user,
                                             .password = message->password,
                                             .headers = {message->dpop}};
    return true;
}

void client_message_free(struct client_message *message) {
    free(message->form);
    free(message->user);
    free(message->password);
    free(message->dpop);
}
