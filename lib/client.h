/* The OAuth client: its issuer, which it discovers, and how it authenticates itself there. */
#ifndef CIBA_CLIENT_H
#define CIBA_CLIENT_H

#include "error.h"
#include "http.h"

#include <jv.h>
#include <stdbool.h>

/* Settings from the command line; NULL where not given. */
struct client_settings {
    const char *env_file, *issuer, *client_id, *secret_file, *authentication;
    struct http_settings http;
};

/* Their options, for the tables of ciba-authorize and ciba-poll. */
#define CLIENT_OPTIONS(settings)                                                                   \
    {'e', "env-file", "FILE", OPTION_TEXT, &(settings).env_file, "read settings from FILE too"},   \
        {0, "issuer", "URL", OPTION_TEXT, &(settings).issuer, "the OpenID provider"},              \
        {0, "client-id", "ID", OPTION_TEXT, &(settings).client_id, "the client's identifier"},     \
        {0,           "client-secret-file",    "FILE",                                             \
         OPTION_TEXT, &(settings).secret_file, "read the client's secret from FILE"},              \
        {0,                                                                                        \
         "client-auth",                                                                            \
         "METHOD",                                                                                 \
         OPTION_TEXT,                                                                              \
         &(settings).authentication,                                                               \
         "client_secret_post or client_secret_basic"},                                             \
        HTTP_OPTIONS((settings).http)

struct client {
    const char *issuer, *id, *secret;
    const char *authentication; /* NULL until client_discover chooses */
    struct http *http;
    jv metadata; /* of the issuer; invalid until client_discover */
    jv jwks;     /* invalid until fetched */
    double jwks_fetched_at;
};

/* Settles issuer, client and secret from flags, environment and -e FILE, which is read here. False
 * and an error with status 78 or 66. Asks nobody. The client is freed with client_free. */
bool client_configure(struct client *client, const struct client_settings *settings,
                      struct error *error);
void client_free(struct client *client);

/* Fetches the issuer's metadata (OpenID Connect Discovery 1.0 §4), once a process. The issuer named
 * there must be ours to the byte (§4.3). False and an error with status 69 (worth another try), 76
 * or 78. */
bool client_discover(struct client *client, struct error *error);

/* An endpoint from the metadata, after client_discover: a URL that http_url_allowed accepts. NULL
 * and an error with status 78 where the issuer offers none. */
const char *client_endpoint(const struct client *client, const char *name, struct error *error);

/* Fetches the issuer's keys, unless they were fetched and `again` is false, or were fetched in the
 * last 30 s. False and an error with status 69 or 76. */
bool client_fetch_keys(struct client *client, bool again, struct error *error);

/* Makes a POST of a form to one of the endpoints, with the client's authentication (RFC 6749
 * §2.3.1) added. Takes the form. What the request needs is owned by the message, freed by
 * client_message_free. */
struct client_message {
    struct http_request request;
    char *form, *user, *password;
};
void client_message(const struct client *client, const char *url, char *form,
                    struct client_message *message);
void client_message_free(struct client_message *message);

#endif
