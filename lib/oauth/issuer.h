/* The issuer: its discovered metadata (OpenID Connect Discovery 1.0, RFC 8414), endpoints and keys.
 * Works without a client. */
#ifndef CIBA_OAUTH_ISSUER_H
#define CIBA_OAUTH_ISSUER_H

#include "base/error.h"
#include "http/http.h"

#include <jv.h>
#include <openssl/evp.h>
#include <stdbool.h>

/* Settings from the command line; NULL where not given. */
struct issuer_settings {
    const char *env_file, *issuer, *key_password_file;
    struct http_settings http;
};

/* The options of the issuer alone, a part of CLIENT_OPTIONS. */
/* clang-format off */
#define ISSUER_OPTIONS(settings) \
    {'e', "env-file", "FILE", OPTION_TEXT, &(settings).env_file, "read settings from FILE too"}, \
    {0, "issuer", "URL", OPTION_TEXT, &(settings).issuer, "the OpenID provider"}
/* clang-format on */

struct issuer {
    const char *url;
    const char *key_password; /* of all key files, NULL for none */
    bool shows_certificate;   /* we show it a client certificate */
    struct http *http;
    jv metadata;                  /* invalid until issuer_discover */
    jv jwks;                      /* invalid until fetched */
    double jwks_fetched_again_at; /* as clock_elapsed */
};

/* Sets up the issuer from flags, environment and the -e file, which is read here, without network
 * access. False and an error with status 78 or 66. Free the issuer with issuer_free in either
 * case. */
bool issuer_configure(struct issuer *issuer, const struct issuer_settings *settings,
                      struct error *error);
void issuer_free(struct issuer *issuer);

/* Fetches the metadata, once per process: those of OpenID Connect Discovery 1.0 §4, or where there
 * are none those of RFC 8414 §3. Their issuer must equal ours byte for byte (§4.3, RFC 8414 §3.3).
 * False and an error with status 69 (retry), 76 or 78. */
bool issuer_discover(struct issuer *issuer, struct error *error);

/* An endpoint from the metadata, after issuer_discover: a URL that http_url_allowed accepts; from
 * mtls_endpoint_aliases (RFC 8705 §5) if we show a certificate. NULL and an error with status 78 if
 * the issuer has none. */
const char *issuer_endpoint(const struct issuer *issuer, const char *name, struct error *error);

/* Fetches the keys unless they are there and `again` is false. Fetches again at most every 30 s.
 * False and an error with status 69 or 76. */
bool issuer_fetch_keys(struct issuer *issuer, bool again, struct error *error);

/* The algorithm for a key, or for a secret if the key is NULL, among those in the named member of
 * the metadata, if present. NULL and an error with status 78 if none fits. */
const char *issuer_algorithm(const struct issuer *issuer, EVP_PKEY *key, const char *list,
                             struct error *error);

#endif
