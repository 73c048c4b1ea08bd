#include "sandbox/configure.h"

#include "http/url.h"
#include "jose/digest.h"
#include "jose/jwk.h"
#include "sandbox/approvals.h"
#include "sandbox/faults.h"
#include "sandbox/ping.h"
#include "sandbox/provider.h"
#include "sandbox/server.h"
#include "system/settings.h"
#include "json/json.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_LIMIT = 1 << 20 };

static bool choose_mode(struct sandbox *sandbox, const char *wanted, bool terminal,
                        struct error *error) {
    static const char *const names[] = {"ask", "yes", "no", "never"};
    const char *name = wanted != NULL ? wanted : terminal ? "ask" : "yes";
    for (int i = 0; i < 4; i++) {
        if (strcmp(names[i], name) == 0) {
            sandbox->mode = (enum approval_mode)i;
            return true;
        }
    }
    return fail(error, STATUS_USAGE, "--approve: '%s' is not ask, yes, no or never", name);
}

static bool read_faults(struct sandbox *sandbox, const char *path, struct error *error) {
    unsigned long size;
    sandbox->faults = jv_array();
    if (path == NULL)
        return true;
    char *text = file_read(path, FILE_LIMIT, &size, error);
    if (text == NULL)
        return false;
    bool good = faults_set(sandbox, text, size);
    free(text);
    return good || fail(error, STATUS_INPUT, "%s: is not a JSON array of faults", path);
}

/* The key of a client or of who speaks for it; *key stays NULL if no file is given. */
static bool read_key(const char *path, EVP_PKEY **key, struct error *error) {
    if (path == NULL)
        return true;
    unsigned long size;
    char *text = file_read(path, FILE_LIMIT, &size, error);
    if (text == NULL)
        return false;
    BIO *file = BIO_new_mem_buf(text, (int)size);
    *key = PEM_read_bio_PUBKEY(file, NULL, NULL, NULL);
    if (*key == NULL && BIO_reset(file) == 1)
        *key = PEM_read_bio_PrivateKey(file, NULL, NULL, NULL);
    BIO_free(file);
    free(text);
    return *key != NULL ||
           fail(error, STATUS_CONFIG, "%s: has no key that can be used, in PEM", path);
}

/* The public half of --client-key-file, as the client's JWKS. */
static bool read_client_key(struct sandbox *sandbox, const char *path, struct error *error) {
    EVP_PKEY *key = NULL;
    if (path == NULL)
        return true;
    if (!read_key(path, &key, error))
        return false;
    jv jwk = jwk_of_key(key, error);
    EVP_PKEY_free(key);
    if (!jv_is_valid(jwk))
        return fail(error, STATUS_CONFIG, "%s: has no key that can be used, in PEM", path);
    sandbox->client_jwks = json_set(jv_object(), "keys", JV_ARRAY(jwk));
    return true;
}

static char *random_secret(const char *prefix) {
    char *noise = random_name(24), *secret = must_format("%s%s", prefix, noise);
    free(noise);
    return secret;
}

static void make_credentials(struct sandbox *sandbox) {
    sandbox->client_id = must_copy("sandbox-client");
    sandbox->client_secret = random_secret("");
    sandbox->api_key = random_secret("sk-");
    sandbox->broker_key_id = random_secret("PK");
    sandbox->broker_secret_key = random_secret("");
}

bool sandbox_configure(struct sandbox *sandbox, const struct sandbox_settings *settings,
                       bool terminal, struct error *error) {
    sandbox->jwks = sandbox->orders = sandbox->orders_by_key = sandbox->faults = jv_invalid();
    sandbox->client_jwks = sandbox->used_assertions = jv_invalid();
    sandbox->refresh_tokens = jv_object();
    sandbox->revoked = jv_object();
    if (!choose_mode(sandbox, settings->approve, terminal, error) ||
        !read_faults(sandbox, settings->faults_file, error) ||
        !read_client_key(sandbox, settings->client_key_file, error) ||
        !read_key(settings->assertion_key_file, &sandbox->assertion_key, error))
        return false;
    if (settings->notification_url != NULL &&
        !http_url_allowed(settings->notification_url, "--notification-url", error))
        return false;
    sandbox->notify_url = settings->notification_url;
    sandbox->used_assertions = jv_object();
    if ((settings->tls_cert_file == NULL) != (settings->tls_key_file == NULL))
        return fail(error, STATUS_USAGE, "--tls-cert-file and --tls-key-file go together");
    if (settings->port > 65535)
        return fail(error, STATUS_USAGE, "--port: there is no port %ld", settings->port);
    if (settings->log_file != NULL) {
        sandbox->log = open(settings->log_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (sandbox->log < 0)
            return fail(error, STATUS_NO_FILE, "%s: %s", settings->log_file, strerror(errno));
    }
    sandbox->delay = settings->delay >= 0 ? settings->delay : 1;
    sandbox->interval = settings->interval;
    sandbox->quiet = settings->quiet;
    sandbox->user = settings->user;
    make_credentials(sandbox);
    sandbox->audience = must_copy("https://stocks.sandbox/");
    sandbox->orders = jv_array();
    sandbox->orders_by_key = jv_object();
    pthread_mutex_init(&sandbox->lock, NULL);
    return true;
}

bool sandbox_start(struct sandbox *sandbox, const struct sandbox_settings *settings,
                   struct error *error) {
    char *certificate = NULL, *key = NULL;
    if (!provider_start(sandbox))
        return fail(error, STATUS_INTERNAL, "no key could be made");
    if (settings->tls_cert_file != NULL &&
        ((certificate = file_read(settings->tls_cert_file, FILE_LIMIT, NULL, error)) == NULL ||
         (key = file_read(settings->tls_key_file, FILE_LIMIT, NULL, error)) == NULL))
        return false;
    bool good = server_start(sandbox, (unsigned short)settings->port, certificate, key, error);
    free(certificate);
    free(key);
    return good;
}

void sandbox_stop(struct sandbox *sandbox) {
    server_stop();
    ping_stop();
    jv_free(sandbox->client_jwks);
    EVP_PKEY_free(sandbox->assertion_key);
    jv_free(sandbox->used_assertions);
    jv_free(sandbox->refresh_tokens);
    jv_free(sandbox->revoked);
    approvals_free(sandbox);
    EVP_PKEY_free(sandbox->key);
    jv_free(sandbox->jwks);
    jv_free(sandbox->orders);
    jv_free(sandbox->orders_by_key);
    jv_free(sandbox->faults);
    free(sandbox->origin), free(sandbox->host), free(sandbox->issuer), free(sandbox->audience);
    free(sandbox->client_id), free(sandbox->client_secret), free(sandbox->api_key);
    free(sandbox->broker_key_id), free(sandbox->broker_secret_key);
}
