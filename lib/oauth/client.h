/* The OAuth client: its issuer, its credentials there, its DPoP key, and its requests. */
#ifndef CIBA_OAUTH_CLIENT_H
#define CIBA_OAUTH_CLIENT_H

#include "base/error.h"
#include "http/http.h"
#include "oauth/client_auth.h"
#include "oauth/id_token.h"
#include "oauth/issuer.h"

#include <openssl/evp.h>
#include <stdbool.h>

/* Settings from the command line; NULL where not given. */
struct client_settings {
    const char *env_file, *issuer, *client_id, *secret_file, *authentication;
    const char *key_file, *key_id, *key_algorithm, *key_password_file, *assertion_file,
        *assertion_audience, *dpop_key, *id_token_algorithm, *id_token_key;
    struct http_settings http;
};

/* Their options, for the tables of ciba-authorize and ciba-poll. */
/* clang-format off */
#define CLIENT_OPTIONS(settings) \
    ISSUER_OPTIONS(settings), \
    {0, "client-id", "ID", OPTION_TEXT, &(settings).client_id, "the client's identifier"}, \
    {0, "client-secret-file", "FILE", OPTION_SECRET, &(settings).secret_file, \
     "read the client's secret from FILE"}, \
    {0, "client-auth", "METHOD", OPTION_TEXT, &(settings).authentication, \
     "how the client authenticates itself"}, \
    {0, "client-key-file", "FILE", OPTION_KEY, &(settings).key_file, \
     "the client's private key, for signing"}, \
    {0, "client-key-id", "KID", OPTION_TEXT, &(settings).key_id, "the key's kid at the provider"}, \
    {0, "client-key-alg", "ALG", OPTION_TEXT, &(settings).key_algorithm, \
     "its algorithm: RS256, PS256, ES256, EdDSA ... (by the key)"}, \
    {0, "key-password-file", "FILE", OPTION_SECRET, &(settings).key_password_file, \
     "the password of the key files"}, \
    {0, "client-assertion-file", "FILE", OPTION_SECRET, &(settings).assertion_file, \
     "a JWT that authenticates the client, read anew each time"}, \
    {0, "assertion-audience", "URL", OPTION_TEXT, &(settings).assertion_audience, \
     "audience of the client's JWT (the issuer)"}, \
    {0, "dpop-key-file", "FILE", OPTION_KEY, &(settings).dpop_key, "bind tokens to this key (DPoP)"}, \
    {0, "id-token-alg", "ALG", OPTION_TEXT, &(settings).id_token_algorithm, \
     "the one algorithm of ID tokens: HS256 ... (any with a public key)"}, \
    {0, "id-token-key-file", "FILE", OPTION_KEY, &(settings).id_token_key, \
     "ID tokens are encrypted to this private key"}, \
    HTTP_OPTIONS((settings).http)
/* clang-format on */

struct client {
    struct issuer issuer;
    struct credentials credentials;
    struct id_token_registration id_tokens;
    EVP_PKEY *dpop_key;    /* NULL for none */
    char *dpop_nonce;      /* for the next proof, as the provider demands; NULL for none */
    char *pending_words;   /* the last answer that was authorization_pending, NULL for none */
    bool without_id_token; /* the provider is known to send none, so nobody knows who approved */
};

/* Sets up issuer (issuer_configure), client and credentials, without network access. False and an
 * error with status 64, 66 or 78. Free the client with client_free in either case. */
bool client_configure(struct client *client, const struct client_settings *settings,
                      struct error *error);
void client_free(struct client *client);

/* Adds what its requests need. */
void client_needs(const struct client *client, struct confinement *needs);

/* Discovers the issuer (issuer_discover), chooses the client's authentication method, and checks
 * that its DPoP key can be used. False and an error with status 69 (retry), 76 or 78. */
bool client_discover(struct client *client, struct error *error);

/* Makes a POST of a form to an endpoint, with the client's authentication (client_auth_apply). With
 * `dpop` and a DPoP key, adds a proof for a token (RFC 9449 §5). Takes the form. The message owns
 * what the request needs and is freed by client_message_free. False and an error with status 69
 * or 78. */
struct client_message {
    struct http_request request;
    struct authentication parts;
    char *dpop;
};
bool client_message(const struct client *client, const char *url, char *form, bool dpop,
                    struct client_message *message, struct error *error);
void client_message_free(struct client_message *message);

#endif
