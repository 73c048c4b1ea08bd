#include "http/tls.h"

#include "base/error.h"

#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

enum { SECURITY_LEVEL = 2 };

void http_must_set(CURLcode code) {
    if (code == CURLE_OK)
        return;
    report("libcurl", "%s; it must be of 7.85 or later, with OpenSSL", curl_easy_strerror(code));
    exit(STATUS_INTERNAL);
}

/* Overrides the system's OpenSSL configuration, and wipes received data. */
static CURLcode harden(CURL *easy, void *context, void *data) {
    (void)easy, (void)data;
    SSL_CTX_set_security_level(context, SECURITY_LEVEL);
    SSL_CTX_set_options(context, SSL_OP_CLEANSE_PLAINTEXT);
    return CURLE_OK;
}

static bool ends_with(const char *text, const char *end) {
    size_t size = strlen(text), end_size = strlen(end);
    return size > end_size && strcmp(text + size - end_size, end) == 0;
}

static void show_certificate(CURL *easy, const struct http_settings *settings) {
    bool pkcs12 = ends_with(settings->cert, ".p12") || ends_with(settings->cert, ".pfx");
    HTTP_SET(easy, CURLOPT_SSLCERTTYPE, pkcs12 ? "P12" : "PEM");
    HTTP_SET(easy, CURLOPT_SSLCERT, settings->cert);
    if (!pkcs12)
        HTTP_SET(easy, CURLOPT_SSLKEY, settings->key != NULL ? settings->key : settings->cert);
    /* Without one OpenSSL would ask at the terminal. */
    HTTP_SET(easy, CURLOPT_KEYPASSWD, settings->key_password != NULL ? settings->key_password : "");
}

void http_tls_set(CURL *easy, const struct http_settings *settings, const char *ca_file,
                  const char *ca_dir) {
    HTTP_SET(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    HTTP_SET(easy, CURLOPT_SSL_CTX_FUNCTION, harden);
    if (ca_file != NULL || ca_dir != NULL) {
        HTTP_SET(easy, CURLOPT_CAINFO, ca_file);
        HTTP_SET(easy, CURLOPT_CAPATH, ca_dir);
    }
    if (settings->crlfile != NULL)
        HTTP_SET(easy, CURLOPT_CRLFILE, settings->crlfile);
    if (settings->cert != NULL)
        show_certificate(easy, settings);
}

const char *http_tls_advice(const char *why) {
    static const struct {
        const char *words, *advice;
    } rows[] = {
        {"has expired", "the server needs a new one, or this machine's clock is wrong"},
        {"not yet valid", "this machine's clock is wrong, or the certificate is for later"},
        {"subject name", "the URL must have the name that is in the certificate"},
        {"revoked", "the server needs a new one"},
        {"CRL", "--tls-crl-file needs a list of each CA, which has not expired"},
        {"too weak", "the server needs one with a longer key"},
        {"too small", "the server needs one with a longer key"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strstr(why, rows[i].words) != NULL)
            return rows[i].advice;
    return "--tls-ca-file or SSL_CERT_FILE names a CA, the environment's before a file's";
}
