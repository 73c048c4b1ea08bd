#include "http/url.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool http_is_loopback(const char *host) {
    if (strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0)
        return true;
    /* libcurl writes every form of an IPv4 address as four decimal numbers; what it leaves
     * unchanged, such as 127.0.0.300, is a name to look up. */
    struct in_addr address;
    return inet_pton(AF_INET, host, &address) == 1 && ntohl(address.s_addr) >> 24 == 127;
}

char *http_url_host(const char *url, bool *plain, struct error *error) {
    char *scheme = NULL, *host = NULL, *user = NULL, *result = NULL;
    CURLU *parts = curl_url();
    if (parts == NULL)
        out_of_memory();
    if (curl_url_set(parts, CURLUPART_URL, url, 0) != CURLUE_OK ||
        curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
        curl_url_get(parts, CURLUPART_HOST, &host, 0) != CURLUE_OK) {
        fail(error, STATUS_CONFIG, "'%.200s' is not a URL; write it with https://", url);
    } else if (curl_url_get(parts, CURLUPART_USER, &user, 0) == CURLUE_OK) {
        fail(error, STATUS_CONFIG, "a URL on %s has a user in it; give secrets another way", host);
    } else {
        *plain = strcmp(scheme, "http") == 0;
        if (strcmp(scheme, "https") == 0 || (*plain && http_is_loopback(host)))
            result = must_copy(host);
        else
            fail(error, STATUS_CONFIG, "%s://%s: only https is used, or http to a loopback host",
                 scheme, host);
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(user);
    curl_url_cleanup(parts);
    return result;
}

bool http_url_allowed(const char *url, const char *setting, struct error *error) {
    struct error why = {STATUS_CONFIG, ""};
    bool plain;
    char *host = http_url_host(url, &plain, &why);
    free(host);
    return host != NULL || fail(error, why.status, "%s: %.900s", setting, why.text);
}

/* One part of the URL, freed with curl_free; NULL if it is missing. */
static char *url_part(CURLU *parts, CURLUPart part, unsigned flags) {
    char *text = NULL;
    if (curl_url_get(parts, part, &text, flags) == CURLUE_OUT_OF_MEMORY)
        out_of_memory();
    return text;
}

char *http_target(const char *url, struct error *error) {
    CURLU *parts = curl_url();
    CURLUcode code =
        parts != NULL ? curl_url_set(parts, CURLUPART_URL, url, 0) : CURLUE_OUT_OF_MEMORY;
    if (code == CURLUE_OUT_OF_MEMORY)
        out_of_memory();
    char *scheme = url_part(parts, CURLUPART_SCHEME, 0), *host = url_part(parts, CURLUPART_HOST, 0);
    char *path = url_part(parts, CURLUPART_PATH, 0), *target = NULL;
    char *port = url_part(parts, CURLUPART_PORT, CURLU_NO_DEFAULT_PORT);
    if (code == CURLUE_OK && host != NULL && path != NULL &&
        (strcasecmp(scheme, "http") == 0 || strcasecmp(scheme, "https") == 0)) {
        target = must_format("%s://%s%s%s%s", scheme, host, port != NULL ? ":" : "",
                             port != NULL ? port : "", path);
        for (char *c = target; c < target + strlen(scheme) + strlen("://") + strlen(host); c++)
            *c = (char)tolower((unsigned char)*c);
    } else {
        fail(error, STATUS_USAGE, "'%.200s' is not an absolute http or https URL", url);
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(path);
    curl_free(port);
    curl_url_cleanup(parts);
    return target;
}

bool http_url_is_on(const char *url, const char *host) {
    struct error ignored;
    bool plain;
    char *its = http_url_host(url, &plain, &ignored);
    if (its != NULL && its[0] != '\0' && its[strlen(its) - 1] == '.')
        its[strlen(its) - 1] = '\0';
    bool same = its != NULL && strcasecmp(its, host) == 0;
    free(its);
    return same;
}
