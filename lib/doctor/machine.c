#include "doctor/machine.h"

#include "approval/audit.h"
#include "doctor/verdict.h"
#include "http/url.h"
#include "system/confine.h"
#include "system/durable_file.h"
#include "system/settings.h"
#include "json/json.h"

#include <curl/curl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

/* Whether libjq keeps all digits of an integer, as from 1.7 on. */
static bool keeps_digits(void) {
    jv number = jv_parse("9007199254740993");
    char *text = json_text(number);
    bool keeps = strcmp(text, "9007199254740993") == 0;
    free(text);
    jv_free(number);
    return keeps;
}

void check_versions(void) {
    const curl_version_info_data *curl = curl_version_info(CURLVERSION_NOW);
    verdict_ok("versions", "ciba-tools " VERSION ", libcurl %s (%s), %s, libjq %s", curl->version,
               curl->ssl_version != NULL ? curl->ssl_version : "no TLS",
               OpenSSL_version(OPENSSL_VERSION),
               keeps_digits() ? "1.7 or later"
                              : "1.6 or earlier (documents with integers above 2^53 are refused)");
}

/* The settings that name a place. */
static const struct {
    const char *name, *what;
} folders[] = {{"CIBA_STORE", "store"},
               {"CIBA_SPENT", "spent approvals"},
               {"CIBA_NOTIFICATION_DIR", "notifications"},
               {"CIBA_CHANNEL_DIR", "channel's folder"}};
enum { FOLDERS = sizeof folders / sizeof *folders };

static bool is_url(const char *spool) {
    return strncmp(spool, "postgres", 8) == 0 && strstr(spool, "://") != NULL;
}

void places_need(struct confinement *needs, const char *spool) {
    confine_add(needs->writes, settings_get(NULL, "CIBA_AUDIT", NULL));
    for (size_t i = 0; i < FOLDERS; i++)
        confine_add(needs->reads, settings_get(NULL, folders[i].name, NULL));
    confine_add(needs->reads, spool);
}

static void check_folder(const char *what, const char *path) {
    struct error error;
    if (durable_ready(path, true, &error))
        verdict_ok(what, "%s can be written, by nobody else", path);
    else
        verdict_fail(error.status, what, "%s", error.text);
}

void check_places(const char *spool) {
    struct error error;
    const char *audit = settings_get(NULL, "CIBA_AUDIT", NULL);
    if (audit != NULL && audit_ready(audit, &error))
        verdict_ok("audit log", "%s can be written, by nobody else", audit);
    else if (audit != NULL)
        verdict_fail(error.status, "audit log", "%s", error.text);
    for (size_t i = 0; i < FOLDERS; i++) {
        const char *path = settings_get(NULL, folders[i].name, NULL);
        if (path != NULL)
            check_folder(folders[i].what, path);
    }
    if (spool != NULL && is_url(spool))
        verdict_left_out("spool", "one in PostgreSQL is checked by agent-spool list URL");
    else if (spool != NULL)
        check_folder("spool", spool);
}

/* Whether the page is there, and asks for a login. */
static void check_page(struct http *http, const char *url) {
    struct http_request request = {.method = "GET", .url = url, .accept = "text/html"};
    struct http_answer answer;
    http_call(http, &request, &answer);
    if (answer.outcome != HTTP_ANSWERED)
        verdict_fail(answer.exit_status, "channel's page", "%s", answer.why);
    else if (answer.status == 200)
        verdict_fail(STATUS_CONFIG, "channel's page",
                     "%s answers 200 to somebody who has not logged in; the web server must ask "
                     "for a login, see ciba-channel(1)",
                     url);
    else if (answer.status == 404 || answer.status >= 500)
        verdict_left_out("channel's page",
                         "%s answers HTTP %ld without a login; is the path right?", url,
                         answer.status);
    else
        verdict_ok("channel's page", "%s asks for a login (HTTP %ld)", url, answer.status);
    http_answer_free(&answer);
}

void check_channel(struct http *http) {
    struct error error;
    const char *url = settings_get(NULL, "CIBA_CHANNEL_URL", NULL), *secret = NULL;
    if (url == NULL)
        return;
    if (!settings_secret(&secret, &error, NULL, "CIBA_CHANNEL_SECRET", NULL))
        verdict_fail(error.status, "channel", "%s", error.text);
    else if (settings_get(NULL, "CIBA_CHANNEL_DIR", NULL) == NULL || secret == NULL)
        verdict_fail(STATUS_CONFIG, "channel", "not set: %s",
                     secret != NULL ? "CIBA_CHANNEL_DIR" : "CIBA_CHANNEL_SECRET");
    else if (url[strlen(url) - 1] != '/')
        verdict_fail(STATUS_CONFIG, "channel", "CIBA_CHANNEL_URL must have a slash at its end");
    else if (!http_url_allowed(url, "CIBA_CHANNEL_URL", &error))
        verdict_fail(error.status, "channel", "%s", error.text);
    else if (http != NULL)
        check_page(http, url);
}
