#include "oauth/client.h"

#include "jose/key_file.h"
#include "oauth/dpop.h"
#include "system/settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char dpop_algorithms[] = "dpop_signing_alg_values_supported";

/* As settings_secret looks for a secret: an option, systemd's credentials, a setting. */
static bool open_assertion(struct credentials *credentials, const char *file, struct error *error) {
    const char *folder = settings_get(NULL, "CREDENTIALS_DIRECTORY", NULL);
    if (file == NULL && folder != NULL) {
        file = settings_keep(must_format("%s/CIBA_CLIENT_ASSERTION", folder));
        file = access(file, F_OK) == 0 ? file : NULL;
    }
    const char *set = settings_get(file, "CIBA_CLIENT_ASSERTION_FILE", NULL);
    if (set == NULL)
        return true;
    /* It may be the assertion itself by mistake, so no message shows it. */
    if (file == NULL && access(set, F_OK) != 0)
        return fail(error, STATUS_NO_FILE, "CIBA_CLIENT_ASSERTION_FILE: %s; it must name a file",
                    strerror(errno));
    credentials->assertion = client_assertion_open(set, credentials->assertion_audience, error);
    return credentials->assertion != NULL;
}

static bool load_keys(struct client *client, const struct client_settings *settings,
                      struct error *error) {
    struct credentials *credentials = &client->credentials;
    credentials->key_id = settings->key_id;
    if (settings->key_file != NULL) {
        credentials->key = key_file_load(settings->key_file, client->issuer.key_password, error);
        if (credentials->key == NULL)
            return false;
        credentials->key_algorithm = settings->key_algorithm;
    }
    if (settings->id_token_key != NULL) {
        client->id_tokens.decryption_key =
            key_file_load(settings->id_token_key, client->issuer.key_password, error);
        if (client->id_tokens.decryption_key == NULL)
            return false;
    }
    if (settings->dpop_key != NULL)
        client->dpop_key = key_file_load(settings->dpop_key, client->issuer.key_password, error);
    return settings->dpop_key == NULL || client->dpop_key != NULL;
}

bool client_configure(struct client *client, const struct client_settings *settings,
                      struct error *error) {
    struct issuer_settings issuer = {.env_file = settings->env_file,
                                     .issuer = settings->issuer,
                                     .key_password_file = settings->key_password_file,
                                     .http = settings->http};
    struct credentials *credentials = &client->credentials;
    *client = (struct client){.dpop_key = NULL};
    if (!issuer_configure(&client->issuer, &issuer, error))
        return false;
    credentials->id = settings_get(settings->client_id, "CIBA_CLIENT_ID", "AUTH0_CLIENT_ID", NULL);
    if (credentials->id == NULL)
        return fail(error, STATUS_CONFIG,
                    "no client: set CIBA_CLIENT_ID or AUTH0_CLIENT_ID, or --client-id");
    credentials->assertion_audience =
        settings->assertion_audience != NULL ? settings->assertion_audience : client->issuer.url;
    if (!settings_secret(&credentials->secret, error, settings->secret_file, "CIBA_CLIENT_SECRET",
                         "AUTH0_CLIENT_SECRET", NULL) ||
        !open_assertion(credentials, settings->assertion_file, error) ||
        !load_keys(client, settings, error))
        return false;
    credentials->method = settings->authentication;
    client->id_tokens.client_id = credentials->id;
    client->id_tokens.algorithm = settings->id_token_algorithm;
    client->id_tokens.secret = credentials->secret;
    return client_auth_check(&client->issuer, credentials, error) &&
           id_token_registration_check(&client->id_tokens, error);
}

void client_free(struct client *client) {
    issuer_free(&client->issuer);
    client_assertion_free(client->credentials.assertion);
    EVP_PKEY_free(client->credentials.key);
    EVP_PKEY_free(client->id_tokens.decryption_key);
    EVP_PKEY_free(client->dpop_key);
    free(client->dpop_nonce);
    free(client->pending_words);
}

void client_needs(const struct client *client, struct confinement *needs) {
    http_needs(client->issuer.http, needs);
    if (client->credentials.assertion != NULL)
        client_assertion_needs(client->credentials.assertion, needs);
}

bool client_discover(struct client *client, struct error *error) {
    if (!issuer_discover(&client->issuer, error) ||
        !client_auth_choose(&client->issuer, &client->credentials, error))
        return false;
    /* Checked before the user is asked, not when the answer is fetched. */
    return client->dpop_key == NULL ||
           issuer_algorithm(&client->issuer, client->dpop_key, dpop_algorithms, error) != NULL;
}

bool client_message(const struct client *client, const char *url, char *form, bool dpop,
                    struct client_message *message, struct error *error) {
    *message = (struct client_message){.parts = {.form = form}};
    bool good = client_auth_apply(&client->issuer, &client->credentials, &message->parts, error);
    if (good && dpop && client->dpop_key != NULL) {
        const char *algorithm =
            issuer_algorithm(&client->issuer, client->dpop_key, dpop_algorithms, error);
        message->dpop = algorithm == NULL ? NULL
                                          : dpop_header(client->dpop_key, algorithm, "POST", url,
                                                        client->dpop_nonce, NULL, error);
        good = message->dpop != NULL;
    }
    if (!good) {
        client_message_free(message);
        return false;
    }
    message->request = (struct http_request){.method = "POST",
                                             .url = url,
                                             .body = message->parts.form,
                                             .content_type = "application/x-www-form-urlencoded",
                                             .user = message->parts.user,
                                             .password = message->parts.password,
                                             .headers = {message->dpop}};
    return true;
}

void client_message_free(struct client_message *message) {
    free(message->parts.form);
    free(message->parts.user);
    free(message->parts.password);
    free(message->dpop);
}
