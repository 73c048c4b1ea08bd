#include "oauth/issuer.h"

#include "base/clock.h"
#include "http/url.h"
#include "jose/jwk.h"
#include "jose/jws.h"
#include "system/settings.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { KEYS_REFETCH_SECONDS = 30 };

/* The issuer of an Auth0 domain, which may be given with https:// and a slash. NULL and an error
 * for more than a host; it is not shown, as it may be a password. */
static const char *auth0_issuer(const char *domain, struct error *error) {
    const char *host = strncasecmp(domain, "https://", 8) == 0 ? domain + 8 : domain;
    size_t size = strcspn(host, "/?#@\\ \t"), slashes = strspn(host + size, "/");
    if (size > 0 && host[size + slashes] == '\0')
        return settings_keep(must_format("https://%.*s/", (int)size, host));
    fail(error, STATUS_CONFIG,
         "AUTH0_DOMAIN is not a domain; write it as example.eu.auth0.com, with no path");
    return NULL;
}

static const char *configured_issuer(const char *flag, struct error *error) {
    const char *issuer = settings_get(flag, "CIBA_ISSUER", NULL);
    const char *domain = issuer != NULL ? NULL : settings_get(NULL, "AUTH0_DOMAIN", NULL);
    if (domain != NULL)
        return auth0_issuer(domain, error);
    if (issuer == NULL)
        fail(error, STATUS_CONFIG, "no issuer: set CIBA_ISSUER or AUTH0_DOMAIN, or --issuer");
    return issuer;
}

bool issuer_configure(struct issuer *issuer, const struct issuer_settings *settings,
                      struct error *error) {
    *issuer = (struct issuer){.metadata = jv_invalid(), .jwks = jv_invalid()};
    if (!settings_load(settings->env_file, error))
        return false;
    issuer->url = configured_issuer(settings->issuer, error);
    if (issuer->url == NULL || !http_url_allowed(issuer->url, "CIBA_ISSUER", error))
        return false;
    struct http_settings http = settings->http;
    if (settings->key_password_file != NULL &&
        !settings_secret(&issuer->key_password, error, settings->key_password_file, NULL))
        return false;
    http.key_password = issuer->key_password;
    issuer->shows_certificate = http.cert != NULL;
    issuer->http = http_new(&http, settings_get(NULL, "SSL_CERT_FILE", NULL),
                            settings_get(NULL, "SSL_CERT_DIR", NULL));
    return true;
}

void issuer_free(struct issuer *issuer) {
    http_free(issuer->http);
    jv_free(issuer->metadata);
    jv_free(issuer->jwks);
}

/* A GET of a JSON object. Sets *absent, if not NULL, to whether there is nothing at the URL. False
 * and an error with status 69 or 76. */
static bool fetch_json(struct issuer *issuer, const char *url, const char *accept, jv *object,
                       bool *absent, struct error *error) {
    struct http_request request = {.method = "GET", .url = url, .accept = accept};
    struct http_answer answer;
    struct error why;
    *object = jv_invalid();
    http_call(issuer->http, &request, &answer);
    bool good = false;
    if (absent != NULL)
        *absent = answer.outcome == HTTP_ANSWERED && (answer.status == 404 || answer.status == 410);
    if (answer.outcome != HTTP_ANSWERED)
        fail(error, answer.exit_status, "the issuer %s cannot be asked: %s", issuer->url,
             answer.why);
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

/* Where the metadata are: RFC 8414 §3.1 inserts its name before the issuer's path, OpenID Connect
 * Discovery 1.0 §4 appends it. The caller frees. */
static char *metadata_url(const char *issuer, bool openid) {
    size_t size = strlen(issuer);
    size -= size > 0 && issuer[size - 1] == '/';
    if (openid)
        return must_format("%.*s/.well-known/openid-configuration", (int)size, issuer);
    const char *host = strstr(issuer, "://");
    size_t before = host != NULL ? (size_t)(host - issuer) + strlen("://") : 0;
    before += strcspn(issuer + before, "/");
    before = before < size ? before : size;
    return must_format("%.*s/.well-known/oauth-authorization-server%.*s", (int)before, issuer,
                       (int)(size - before), issuer + before);
}

static bool fetch_metadata_at(struct issuer *issuer, const char *url, bool *absent,
                              struct error *error) {
    jv metadata;
    bool good = fetch_json(issuer, url, "application/json", &metadata, absent, error);
    if (good && !json_is(metadata, "issuer", issuer->url)) {
        const char *named = json_string(metadata, "issuer");
        good = fail(error, STATUS_CONFIG,
                    "%s: says that its issuer is '%.200s', not '%s'; the two must be the same", url,
                    named != NULL ? named : "", issuer->url);
    }
    if (!good) {
        jv_free(metadata);
        return false;
    }
    issuer->metadata = metadata;
    return true;
}

/* Of two documents that are absent, the first one's error says so. */
static bool fetch_metadata(struct issuer *issuer, struct error *error) {
    char *openid = metadata_url(issuer->url, true), *oauth = metadata_url(issuer->url, false);
    bool absent;
    bool good = fetch_metadata_at(issuer, openid, &absent, error);
    if (absent) {
        struct error other;
        good = fetch_metadata_at(issuer, oauth, &absent, &other);
        if (!good && !absent)
            *error = other;
    }
    free(openid);
    free(oauth);
    return good;
}

bool issuer_discover(struct issuer *issuer, struct error *error) {
    return jv_is_valid(issuer->metadata) || fetch_metadata(issuer, error);
}

const char *issuer_endpoint(const struct issuer *issuer, const char *name, struct error *error) {
    jv aliases = json_get(issuer->metadata, "mtls_endpoint_aliases");
    const char *url = issuer->shows_certificate ? json_string(aliases, name) : NULL;
    jv_free(aliases); /* the metadata still hold a reference */
    if (url == NULL)
        url = json_string(issuer->metadata, name);
    if (url == NULL) {
        fail(error, STATUS_CONFIG, "%s: its metadata has no %s; does it offer CIBA to clients?",
             issuer->url, name);
        return NULL;
    }
    /* The client's secret is sent there: as safely as to the issuer. */
    if (strncasecmp(issuer->url, "https:", 6) == 0 && strncasecmp(url, "https:", 6) != 0) {
        fail(error, STATUS_CONFIG, "%s: its metadata's %s is not https", issuer->url, name);
        return NULL;
    }
    return http_url_allowed(url, name, error) ? url : NULL;
}

bool issuer_fetch_keys(struct issuer *issuer, bool again, struct error *error) {
    bool have = jv_is_valid(issuer->jwks);
    double now = clock_elapsed();
    if (have && (!again || now - issuer->jwks_fetched_again_at < KEYS_REFETCH_SECONDS))
        return true;
    const char *url = issuer_endpoint(issuer, "jwks_uri", error);
    jv jwks;
    if (url == NULL ||
        !fetch_json(issuer, url, "application/jwk-set+json, application/json", &jwks, NULL, error))
        return false;
    if (have)
        issuer->jwks_fetched_again_at = now;
    jv_free(issuer->jwks);
    issuer->jwks = jwks;
    return true;
}

const char *issuer_algorithm(const struct issuer *issuer, EVP_PKEY *key, const char *list,
                             struct error *error) {
    jv offered = json_array(issuer->metadata, list);
    const char *algorithm =
        key != NULL ? jws_algorithm_for(key, offered) : jws_secret_algorithm(offered);
    char *names = json_text(offered);
    if (algorithm == NULL && jv_array_length(jv_copy(offered)) == 0)
        jv_free(jwk_of_key(key, error)); /* which sets the error */
    else if (algorithm == NULL)
        fail(error, STATUS_CONFIG, "%s: its %s has %.200s, and the %s fits none of these",
             issuer->url, list, names, key != NULL ? "key" : "secret");
    free(names);
    jv_free(offered);
    return algorithm;
}
