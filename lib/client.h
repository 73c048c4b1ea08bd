/* The OAuth client: its issuer, which it discovers, and how it authenticates itself there. */
#ifndef CIBA_CLIENT_H
#define CIBA_CLIENT_H

#include "error.h"
#include "http.h"

#include <jv.h>
#include <openssl/evp.h>
#include <stdbool.h>

/* Settings from the command line; NULL where not given. */
struct client_settings {
    const char *env_file, *issuer, *client_id, *secret_file, *authentication;
    const char *key_file, *key_id, *key_algorithm, *key_password_file, *assertion_audience,
        *dpop_key;
    struct http_settings http;
};

/* Their options, for the tables of ciba-authorize and ciba-poll. */
/* clang-format off */
#define ISSUER_OPTIONS(settings) \
    {'e', "env-file", "FILE", OPTION_TEXT, &(settings).env_file, "read settings from FILE too"}, \
    {0, "issuer", "URL", OPTION_TEXT, &(settings).issuer, "the OpenID provider"}

#define CLIENT_OPTIONS(settings) \
    ISSUER_OPTIONS(settings), \
    {0, "client-id", "ID", OPTION_TEXT, &(settings).client_id, "the client's identifier"}, \
    {0, "client-secret-file", "FILE", OPTION_TEXT, &(settings).secret_file, \
     "read the client's secret from FILE"}, \
    {0, "client-auth", "METHOD", OPTION_TEXT, &(settings).authentication, \
     "how the client authenticates itself"}, \
    {0, "client-key-file", "FILE", OPTION_TEXT, &(settings).key_file, \
     "the client's private key, for signing"}, \
    {0, "client-key-id", "KID", OPTION_TEXT, &(settings).key_id, "its kid at the provider"}, \
    {0, "client-key-alg", "ALG", OPTION_TEXT, &(settings).key_algorithm, \
     "RS256, PS256, ES256, EdDSA ... (by the key)"}, \
    {0, "key-password-file", "FILE", OPTION_TEXT, &(settings).key_password_file, \
     "the password of the key files"}, \
    {0, "assertion-audience", "URL", OPTION_TEXT, &(settings).assertion_audience, \
     "aud of what is signed (the issuer)"}, \
    {0, "dpop-key", "FILE", OPTION_TEXT, &(settings).dpop_key, "bind tokens to this key (DPoP)"}, \
    HTTP_OPTIONS((settings).http)
/* clang-format on */

struct client {
    const char *issuer, *id, *secret;
    const char *authentication;     /* NULL until client_discover chooses */
    const char *assertion_audience; /* the issuer if not set otherwise */
    const char *key_id, *key_algorithm;
    const char *key_password; /* of all key files, NULL for none */
    EVP_PKEY *key;            /* for assertions and signed requests, NULL for none */
    EVP_PKEY *dpop_key;       /* NULL for none */
    char *dpop_nonce;         /* what the provider wants in the next proof, NULL for none */
    char *pending_words;      /* the last answer that was authorization_pending, NULL for none */
    bool has_certificate;
    bool without_id_token; /* the provider is known to give none: who approved is not known */
    struct http *http;
    jv metadata;                  /* of the issuer; invalid until client_discover */
    jv jwks;                      /* invalid until fetched */
    double jwks_fetched_again_at; /* as clock_elapsed has it */
};

/* Settles the issuer, from flag, environment and -e FILE, which is read here, and how it is asked;
 * no client. False and an error with status 78 or 66. Asks nobody. The client is freed with
 * client_free. */
bool client_configure_issuer(struct client *client, const struct client_settings *settings,
                             struct error *error);

/* Settles issuer, client and credentials likewise. */
bool client_configure(struct client *client, const struct client_settings *settings,
                      struct error *error);
void client_free(struct client *client);

/* Fetches the issuer's metadata (OpenID Connect Discovery 1.0 §4), once a process. The issuer named
 * there must be ours to the byte (§4.3). Chooses the client's authentication, if there is a client.
 * False and an error with status 69 (worth another try), 76 or 78. */
bool client_discover(struct client *client, struct error *error);

/* An endpoint from the metadata, after client_discover: a URL that http_url_allowed accepts; of
 * mtls_endpoint_aliases (RFC 8705 §5) if the client shows a certificate. NULL and an error with
 * status 78 where the issuer offers none. */
const char *client_endpoint(const struct client *client, const char *name, struct error *error);

/* Fetches the issuer's keys, unless they are there and `again` is false. Again is not done more
 * often than every 30 s. False and an error with status 69 or 76. */
bool client_fetch_keys(struct client *client, bool again, struct error *error);

/* The claims that a JWT of the client's has in common: iss, aud, iat, exp in 60 s, and a new jti.
 */
jv client_claims(const struct client *client);

/* A JWT of these claims, which are taken, signed with the client's key; the caller frees. NULL and
 * an error with status 78. */
char *client_sign(const struct client *client, jv claims, const char *type, struct error *error);

/* Makes a POST of a form to one of the endpoints, with the client's authentication added: RFC 6749
 * §2.3.1, RFC 7523 §2.2, RFC 8705 §2. With `dpop`, a proof for a token (RFC 9449 §5) if there is a
 * key for it. Takes the form. What the request needs is owned by the message, freed by
 * client_message_free. False and an error with status 78. */
struct client_message {
    struct http_request request;
    char *form, *user, *password, *dpop;
};
bool client_message(const struct client *client, const char *url, char *form, bool dpop,
                    struct client_message *message, struct error *error);
void client_message_free(struct client_message *message);

#endif
