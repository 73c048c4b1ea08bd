#include "doctor/checks.h"

#include "base/clock.h"
#include "base/text.h"
#include "doctor/verdict.h"
#include "http/form.h"
#include "model/chat.h"
#include "model/chat_error.h"
#include "model/conversation.h"
#include "model/model_list.h"
#include "model/request_options.h"
#include "oauth/errors.h"
#include "system/confine.h"
#include "system/settings.h"
#include "json/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SKEW_LIMIT = 30 /* seconds */ };

static bool check_issuer(struct client *client) {
    struct error error;
    if (!client_discover(client, &error))
        return verdict_fail(error.status, "issuer", "%s", error.text);
    verdict_ok("issuer", "%s answers, and its metadata names it", client->issuer.url);
    if (issuer_endpoint(&client->issuer, "backchannel_authentication_endpoint", &error) == NULL)
        return verdict_fail(error.status, "CIBA", "%s", error.text);
    verdict_ok("CIBA", "the issuer offers it");
    if (!issuer_fetch_keys(&client->issuer, false, &error))
        return verdict_fail(error.status, "keys", "%s", error.text);
    verdict_ok("keys", "the issuer's keys, which its tokens are checked with, can be read");
    return true;
}

/* Whether the provider's clock agrees with ours, by the Date of its answer. */
static void check_clock(const struct http_answer *answer) {
    double sent = http_date(answer), skew = sent - answer->received_at;
    if (sent < 0)
        verdict_left_out("clock", "the provider does not tell the time");
    else if (fabs(skew) > SKEW_LIMIT)
        verdict_fail(STATUS_CONFIG, "clock", "is %.0f s %s the provider's; set it (NTP)",
                     fabs(skew), skew < 0 ? "ahead of" : "behind");
    else
        verdict_ok("clock", "agrees with the provider's");
}

/* What somebody else says of the client, as far as it can be seen without their key. */
static void check_assertion(struct client_assertion *assertion) {
    static const char *const shown[] = {"iss", "sub", "aud"};
    struct error error;
    double expires;
    if (client_assertion_read(assertion, &error) == NULL) {
        verdict_fail(error.status, "assertion", "%s", error.text);
        return;
    }
    jv claims = client_assertion_claims(assertion), told = jv_object();
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
        told = json_set(told, shown[i], json_get(claims, shown[i]));
    char *text = json_visible(told);
    if (json_number(claims, "exp", &expires))
        verdict_ok("assertion", "%.600s, and expires in %.0f s", text, expires - clock_now());
    else
        verdict_left_out("assertion", "%.600s has no exp; RFC 7523 wants one", text);
    free(text);
    jv_free(told);
    jv_free(claims);
}

/* Keycloak has one code for a client without the grant and for a request that does not exist. */
static bool lacks_grant(const char *code, const char *words) {
    return strcmp(code, "invalid_grant") == 0 && words != NULL &&
           strstr(words, "not allowed OIDC CIBA Grant") != NULL;
}

/* A token request for a request that does not exist: the answer is about the client, and no user is
 * asked. */
static void check_client(struct client *client) {
    struct error error;
    struct client_message message;
    struct http_answer answer;
    jv body;
    const char *url = issuer_endpoint(&client->issuer, "token_endpoint", &error);
    char *form = form_add(NULL, "grant_type", "urn:openid:params:grant-type:ciba");
    form = form_add(form, "auth_req_id", "ciba-doctor-asks-for-nothing");
    if (url == NULL || !client_message(client, url, form, true, &message, &error)) {
        verdict_fail(error.status, "client", "%s", error.text);
        return;
    }
    http_call(client->issuer.http, &message.request, &answer);
    client_message_free(&message);
    if (answer.outcome != HTTP_ANSWERED) {
        verdict_fail(answer.exit_status, "client", "%s", answer.why);
        http_answer_free(&answer);
        return;
    }
    check_clock(&answer);
    if (!json_parse(answer.body, answer.size, &body, &error))
        body = jv_invalid();
    const char *code = json_string(body, "error"), *words = json_string(body, "error_description");
    if (code != NULL && strcmp(code, "invalid_client") == 0)
        verdict_fail(STATUS_REFUSED, "client", "%s by %s is refused; %s", client->credentials.id,
                     client->credentials.method, oauth_error_advice(code, NULL));
    else if (code != NULL && !lacks_grant(code, words) &&
             (strcmp(code, "invalid_grant") == 0 || strcmp(code, "expired_token") == 0 ||
              strcmp(code, "use_dpop_nonce") == 0))
        verdict_ok("client", "%s is authenticated by %s, and may use CIBA", client->credentials.id,
                   client->credentials.method);
    else
        verdict_fail(oauth_error_status(code), "client", "HTTP %ld %s%s%s; %s", answer.status,
                     code != NULL ? code : "", words != NULL ? ": " : "",
                     words != NULL ? words : "", oauth_error_advice(code, words));
    jv_free(body);
    http_answer_free(&answer);
}

void check_provider(struct client *client) {
    if (client->credentials.assertion != NULL)
        check_assertion(client->credentials.assertion);
    if (check_issuer(client))
        check_client(client);
}

/* Whether the provider lists each scope; it need not list all (OpenID Discovery 1.0 §3). */
static void check_scopes(const struct client *client, const char *scopes) {
    jv listed = json_array(client->issuer.metadata, "scopes_supported");
    struct text unlisted = {0};
    for (size_t size; *scopes != '\0'; scopes += size + strspn(scopes + size, " ")) {
        size = strcspn(scopes, " ");
        char *scope = must_format("%.*s", (int)size, scopes);
        if (!json_lists(listed, scope)) {
            text_add_string(&unlisted, unlisted.size > 0 ? " " : "");
            text_add_string(&unlisted, scope);
        }
        free(scope);
    }
    if (jv_array_length(jv_copy(listed)) == 0)
        verdict_left_out("scope", "not checked: the provider does not list its scopes");
    else if (unlisted.size > 0)
        verdict_left_out("scope",
                         "%s: the provider does not list it; is it right? (It may not "
                         "list all)",
                         unlisted.text);
    else
        verdict_ok("scope", "the provider lists what CIBA_SCOPE names");
    free(unlisted.text);
    jv_free(listed);
}

void check_question(const struct client *client) {
    const char *user = settings_get(NULL, "CIBA_USER", NULL);
    const char *audience = settings_get(NULL, "AUDIENCE", NULL);
    const char *scopes = settings_get(NULL, "CIBA_SCOPE", NULL);
    if (user != NULL)
        verdict_left_out("user", "%s, not checked: that would ask them", user);
    else
        verdict_left_out("user", "no CIBA_USER; give -u or another hint to ciba-authorize");
    if (audience != NULL)
        verdict_left_out("audience",
                         "%s, not checked: the provider says whether it knows it when a user is "
                         "asked",
                         audience);
    else
        verdict_left_out("audience", "no AUDIENCE; fine if the tokens need not be for an API");
    if (scopes != NULL && jv_is_valid(client->issuer.metadata))
        check_scopes(client, scopes);
}

/* Whether the model calls a tool when asked to. */
static void check_tool_call(struct http *http, struct chat_settings *settings) {
    struct error error;
    double until;
    jv document = conversation_add_message(jv_object(), "user", "call ping {\"text\":\"hello\"}");
    jv tool =
        jv_parse("{\"name\":\"ping\",\"description\":\"Call this when told to.\",\"parameters\":"
                 "{\"type\":\"object\",\"properties\":{\"text\":{\"type\":\"string\"}}}}");
    bool asked = conversation_add_tools(&document, tool, &error) &&
                 model_list_choose(http, settings, document, &error) &&
                 chat_ask(http, settings, &document, &until, &error);
    if (!asked)
        verdict_fail(error.status, "tools", "%s", error.text);
    else if (conversation_unfinished_call(document) == NULL)
        verdict_fail(STATUS_PROTOCOL, "tools", "the model was told to call a tool, and did not");
    else
        verdict_ok("tools", "the model calls a tool when told to");
    jv_free(tool);
    jv_free(document);
}

void check_model(struct http *http, bool tool_call) {
    struct error error;
    struct chat_settings settings = {.wishes = REQUEST_NO_WISHES};
    bool configured = chat_configure(&settings, NULL, NULL, NULL, &error);
    if (!configured && settings.api != NULL && settings.api_key == NULL) {
        verdict_left_out("model", "%s; fine without a model", error.text);
        return;
    }
    if (!configured) {
        verdict_fail(error.status, "model", "%s", error.text);
        return;
    }
    char *url = must_format("%s/models", settings.base_url), *key = chat_key_header(&settings);
    struct http_request request = {
        .method = "GET", .url = url, .headers = {key, settings.api->extra_header}};
    struct http_answer answer;
    jv body;
    bool passes;
    http_call(http, &request, &answer);
    if (chat_answer_body(&answer, &body, &passes, &error))
        verdict_ok("model", "%s answers and takes the key", settings.base_url);
    else
        verdict_fail(error.status, "model", "%s", error.text);
    if (tool_call && jv_is_valid(body))
        check_tool_call(http, &settings);
    else if (!tool_call)
        verdict_left_out("tools", "not tried; --ask-model does, which costs tokens");
    jv_free(body);
    http_answer_free(&answer);
    free(url);
    free(key);
}

/* A GET without a token: any answer is good, but 404 may be a wrong path. */
void check_stock_api(struct http *http, const char *wanted) {
    const char *url = settings_get(wanted, "STOCK_API_URL", NULL);
    if (url == NULL) {
        verdict_left_out("stock API", "no STOCK_API_URL; fine without stock-buy");
        return;
    }
    struct http_request request = {.method = "GET", .url = url};
    struct http_answer answer;
    http_call(http, &request, &answer);
    if (answer.outcome == HTTP_ANSWERED && answer.status == 404)
        verdict_left_out("stock API", "%s: HTTP 404 without a token; is the path right?", url);
    else if (answer.outcome == HTTP_ANSWERED)
        verdict_ok("stock API", "%s answers (HTTP %ld without a token)", url, answer.status);
    else
        verdict_fail(answer.exit_status, "stock API", "%s", answer.why);
    http_answer_free(&answer);
}

void check_confinement(bool off) {
    if (off)
        verdict_left_out("confinement", "not tried, because of --no-confinement");
    else if (confine_missing() != NULL)
        verdict_left_out(
            "confinement",
            "this system does not have %s: a command that was taken over could do more than "
            "its work; see man ciba-security",
            confine_missing());
    else
        verdict_ok("confinement", "the commands give up the rights that they do not need, by %s",
                   confine_done());
}
