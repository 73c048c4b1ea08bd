/* bare-flow: the minimum cost of the whole flow: its five requests, with prepared bodies, from one
 * process that keeps a connection to each of the three services and checks only the status of each
 * answer. Certificates are in $SSL_CERT_DIR, hashed. It has no decision of the user and no token
 * from it, so two requests are refused. */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

static size_t ignore(char *bytes, size_t one, size_t count, void *data) {
    (void)bytes, (void)data;
    return one * count;
}

static void post(CURL *service, const char *url, const char *body, long wanted) {
    long status = 0;
    curl_easy_setopt(service, CURLOPT_URL, url);
    curl_easy_setopt(service, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(service, CURLOPT_CAINFO, NULL);
    curl_easy_setopt(service, CURLOPT_CAPATH, getenv("SSL_CERT_DIR"));
    curl_easy_setopt(service, CURLOPT_WRITEFUNCTION, ignore);
    CURLcode sent = curl_easy_perform(service);
    curl_easy_getinfo(service, CURLINFO_RESPONSE_CODE, &status);
    if (sent != CURLE_OK || status != wanted) {
        fprintf(stderr, "bare-flow: %s: %s, HTTP %ld\n", url, curl_easy_strerror(sent), status);
        exit(1);
    }
}

/* A service that answers with JSON, with the token for it. */
static CURL *service_of(const char *token) {
    static char line[2000];
    CURL *service = curl_easy_init();
    snprintf(line, sizeof line, "Authorization: Bearer %s", token);
    struct curl_slist *headers = curl_slist_append(NULL, line);
    headers = curl_slist_append(headers, "Content-Type: application/json");
    curl_easy_setopt(service, CURLOPT_HTTPHEADER, headers);
    return service;
}

#define ASK                                                                                        \
    "{\"model\":\"sandbox-model\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":"       \
    "\"buy\",\"parameters\":{\"type\":\"object\",\"properties\":{\"ticker\":{\"type\":\"string\"}" \
    ",\"qty\":{\"type\":\"integer\"}},\"required\":[\"ticker\",\"qty\"]}}}],\"messages\":[{"       \
    "\"role\":\"user\",\"content\":\"Buy 3 stocks of Google\"}"

int main(void) {
    char model_url[200], ask_url[200], poll_url[200], ask[1000], poll[1000];
    const char *client = getenv("CIBA_CLIENT_ID"), *secret = getenv("CIBA_CLIENT_SECRET"),
               *issuer = getenv("CIBA_ISSUER"), *base = getenv("OPENAI_BASE_URL"),
               *key = getenv("OPENAI_API_KEY"), *stocks = getenv("STOCK_API_URL");
    if (!client || !secret || !issuer || !base || !key || !stocks)
        return 64;
    snprintf(model_url, sizeof model_url, "%s/chat/completions", base);
    snprintf(ask_url, sizeof ask_url, "%sbc-authorize", issuer);
    snprintf(poll_url, sizeof poll_url, "%soauth/token", issuer);
    snprintf(ask, sizeof ask,
             "client_id=%s&client_secret=%s&scope=openid&requested_expiry=300&binding_message="
             "Do+you+want+to+buy+3+shares+of+GOOGL&login_hint=%%7B%%22format%%22%%3A%%22iss_sub%%22"
             "%%2C%%22iss%%22%%3A%%22%s%%22%%2C%%22sub%%22%%3A%%22auth0%%7Cdemo%%22%%7D",
             client, secret, issuer);
    snprintf(poll, sizeof poll,
             "grant_type=urn%%3Aopenid%%3Aparams%%3Agrant-type%%3Aciba&auth_req_id=none"
             "&client_id=%s&client_secret=%s",
             client, secret);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    CURL *model = service_of(key), *provider = curl_easy_init(), *broker = service_of("none");
    post(model, model_url, ASK "]}", 200);
    post(provider, ask_url, ask, 200);
    post(provider, poll_url, poll, 400);
    post(broker, stocks, "{\"ticker\":\"GOOGL\",\"qty\":3}", 401);
    post(model, model_url,
         ASK ",{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"c\",\"type\":\"function\","
             "\"function\":{\"name\":\"buy\",\"arguments\":\"{\\\"ticker\\\":\\\"GOOGL\\\","
             "\\\"qty\\\":3}\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"c\",\"content\":\"OK\"}]}",
         200);
    return 0;
}
