#include "client.h"

#include "clock.h"
#include "config.h"
#include "json.h"

#include <stdlib.h>
#include <string.h>

enum { KEYS_REFETCH_SECONDS = 30 };

static bool known_method(const char *name) {
    return strcmp(name, "client_secret_post") == 0 || strcmp(name, "client_secret_basic") == 0;
}

static const char *configured_issuer(const char *flag) {
    const char *issuer = config_get(flag, "CIBA_ISSUER", NULL);
    const char *domain = issuer != NULL ? NULL : config_get(NULL, "AUTH0_DOMAIN", NULL);
    return domain != NULL ? config_keep(must_format("https://%s/", domain)) : issuer;
}

bool client_configure(struct client *client, const struct client_settings *settings,
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
    client->id = config_get(settings->client_id, "CIBA_CLIENT_ID", "AUTH0_CLIENT_ID", NULL);
    if (client->id == NULL)
        return fail(error, STATUS_CONFIG,
                    "no client: set CIBA_CLIENT_ID or AUTH0_CLIENT_ID, or --client-id");
    if (!config_secret(&client->secret, error, settings->secret_file, "CIBA_CLIENT_SECRET",
                       "AUTH0_CLIENT_SECRET", NULL))
        return false;
    if (client->secret == NULL)
        return fail(error, STATUS_CONFIG,
                    "no client secret: set CIBA_CLIENT_SECRET or AUTH0_CLIENT_SECRET, or "
                    "--client-secret-file");
    client->authentication = settings->authentication;
    if (client->authentication != NULL && !known_method(client->authentication))
        return fail(error, STATUS_USAGE, "--client-auth: '%s' is not a method that is implemented",
                    client->authentication);
    client->http = http_new(&settings->http, config_get(NULL, "SSL_CERT_FILE", NULL),
                            config_get(NULL, "SSL_CERT_DIR", NULL));
    return true;
}

void client_free(struct client *client) {
    http_free(client->http);
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

/* Post where it is offered, since not every server decodes what basic encodes. Basic is what the
 * specification implies where nothing is said (Discovery §3). */
static const char *choose_authentication(jv metadata) {
    const char *choice = "client_secret_basic";
    jv methods = json_get(metadata, "token_endpoint_auth_methods_supported");
    if (jv_get_kind(methods) == JV_KIND_ARRAY) {
        jv_array_foreach(methods, i, method) {
            const char *name = json_value_string(method);
            if (name != NULL && strcmp(name, "client_secret_post") == 0)
                choice = "client_secret_post";
            jv_free(method);
        }
    }
    jv_free(methods);
    return choice;
}

bool client_discover(struct client *client, struct error *error) {
    if (jv_is_valid(client->metadata))
        return true;
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
    if (client->authentication == NULL)
        client->authentication = choose_authentication(metadata);
    return true;
}

const char *client_endpoint(const struct client *client, const char *name, struct error *error) {
    const char *url = json_string(client->metadata, name);
    if (url == NULL) {
        fail(error, STATUS_CONFIG, "%s: its metadata has no %s; does it offer CIBA to clients?",
             client->issuer, name);
        return NULL;
    }
    return http_url_allowed(url, error) ? url : NULL;
}

bool client_fetch_keys(struct client *client, bool again, struct error *error) {
    bool have = jv_is_valid(client->jwks);
    if (have && (!again || clock_now() - client->jwks_fetched_at < KEYS_REFETCH_SECONDS))
        return true;
    const char *url = client_endpoint(client, "jwks_uri", error);
    jv jwks;
    if (url == NULL || !fetch_json(client, url, &jwks, error))
        return false;
    jv_free(client->jwks);
    client->jwks = jwks;
    client->jwks_fetched_at = clock_now();
    return true;
}

void client_message(const struct client *client, const char *url, char *form,
                    struct client_message *message) {
    *message = (struct client_message){.form = form};
    if (strcmp(client->authentication, "client_secret_post") == 0) {
        message->form = form_add(message->form, "client_id", client->id);
        message->form = form_add(message->form, "client_secret", client->secret);
    } else {
        message->user = form_encode(client->id);
        message->password = form_encode(client->secret);
    }
    message->request = (struct http_request){.method = "POST",
                                             .url = url,
                                             .body = message->form,
                                             .content_type = "application/x-www-form-urlencoded",
                                             .user = message->user,
                                             .password = message->password};
}

void client_message_free(struct client_message *message) {
    free(message->form);
    free(message->user);
    free(message->password);
}
