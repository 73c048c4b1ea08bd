/* ciba-doctor: looks at the settings and says, step by step, what works. Asks no user, buys
 * nothing. */
#include "call.h"
#include "chat.h"
#include "chat_error.h"
#include "client.h"
#include "clock.h"
#include "config.h"
#include "confine.h"
#include "conversation.h"
#include "documents.h"
#include "form.h"
#include "json.h"
#include "options.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SKEW_LIMIT = 30 /* seconds */ };

static struct {
    bool verbose, ask_model;
    const char *url;
    struct client_settings client;
    struct confinement needs;
} given;

static const struct option_spec options[] = {
    {0, "ask-model", NULL, OPTION_FLAG, &given.ask_model,
     "try a tool call too, which costs tokens"},
    {0, "url", "URL", OPTION_TEXT, &given.url, "the stock API (STOCK_API_URL)"},
    CLIENT_OPTIONS(given.client),
    CONFINE_OPTION(given.needs),
    {'v', "verbose", NULL, OPTION_FLAG, &given.verbose, "say on stderr what is done"},
    {0, NULL, NULL, OPTION_FLAG, NULL, NULL},
};

static const struct command command = {
    "ciba-doctor", "[-v] [--ask-model] [-e FILE]",
    "Says which of the settings work, and what to do about those that do not.", options, false};

static int worst = STATUS_DONE;

static void tell(const char *verdict, const char *what, const char *format, va_list list)
    __attribute__((format(printf, 3, 0)));

static void tell(const char *verdict, const char *what, const char *format, va_list list) {
    struct error error;
    char why[1200];
    vsnprintf(why, sizeof why, format, list);
    char *line = must_format("%-4s %s%s%s\n", verdict, what, *why ? ": " : "", why);
    if (!output_write(line, strlen(line), &error))
        worst = status_worse(worst, error.status);
    free(line);
}

__attribute__((format(printf, 2, 3))) static void good(const char *what, const char *format, ...) {
    va_list list;
    va_start(list, format);
    tell("ok", what, format, list);
    va_end(list);
}

__attribute__((format(printf, 2, 3))) static void left_out(const char *what, const char *format,
                                                           ...) {
    va_list list;
    va_start(list, format);
    tell("-", what, format, list);
    va_end(list);
}

/* False, for the caller to return. */
__attribute__((format(printf, 3, 4))) static bool bad(int status, const char *what,
                                                      const char *format, ...) {
    va_list list;
    va_start(list, format);
    tell("FAIL", what, format, list);
    va_end(list);
    worst = status_worse(worst, status);
    return false;
}

static bool check_issuer(struct client *client) {
    struct error error;
    if (!client_discover(client, &error))
        return bad(error.status, "issuer", "%s", error.text);
    good("issuer", "%s answers, and its metadata are its own", client->issuer);
    if (client_endpoint(client, "backchannel_authentication_endpoint", &error) == NULL)
        return bad(error.status, "CIBA", "%s", error.text);
    good("CIBA", "the issuer offers it");
    if (!client_fetch_keys(client, false, &error))
        return bad(error.status, "keys", "%s", error.text);
    good("keys", "the issuer's keys can be had, to check its tokens with");
    return true;
}

/* Tells whether the provider's clock is ours, from the Date of its answer. */
static void check_clock(const struct http_answer *answer) {
    double sent = http_date(answer), skew = sent - answer->received_at;
    if (sent < 0)
        left_out("clock", "the provider does not tell the time");
    else if (fabs(skew) > SKEW_LIMIT)
        bad(STATUS_CONFIG, "clock", "differs from the provider's by %.0f s; set it (NTP)", skew);
    else
        good("clock", "agrees with the provider's");
}

/* A token request for what was never asked: the answer tells about the client, and reaches no user.
 */
static void check_client(struct client *client) {
    struct error error;
    struct client_message message;
    struct http_answer answer;
    jv body;
    const char *url = client_endpoint(client, "token_endpoint", &error);
    char *form = form_add(NULL, "grant_type", "urn:openid:params:grant-type:ciba");
    form = form_add(form, "auth_req_id", "ciba-doctor-asks-for-nothing");
    if (url == NULL || !client_message(client, url, form, true, &message, &error)) {
        bad(error.status, "client", "%s", error.text);
        return;
    }
    http_call(client->http, &message.request, &answer);
    client_message_free(&message);
    if (answer.outcome != HTTP_ANSWERED) {
        bad(answer.exit_status, "client", "%s", answer.why);
        return;
    }
    check_clock(&answer);
    if (!json_parse(answer.body, answer.size, &body, &error))
        body = jv_invalid();
    const char *code = json_string(body, "error"), *words = json_string(body, "error_description");
    if (code != NULL && strcmp(code, "invalid_client") == 0)
        bad(STATUS_REFUSED, "client", "%s by %s is refused; %s", client->id, client->authentication,
            oauth_error_advice(code));
    else if (code != NULL &&
             (strcmp(code, "invalid_grant") == 0 || strcmp(code, "expired_token") == 0 ||
              strcmp(code, "use_dpop_nonce") == 0))
        good("client", "%s is authenticated by %s, and may use CIBA", client->id,
             client->authentication);
    else
        bad(oauth_error_status(code), "client", "HTTP %ld %s%s%s; %s", answer.status,
            code != NULL ? code : "", words != NULL ? ": " : "", words != NULL ? words : "",
            oauth_error_advice(code));
    jv_free(body);
    http_answer_free(&answer);
}

/* Whether the model calls a tool when it is told to. */
static void check_tool_call(struct http *http, const struct chat_settings *settings) {
    struct error error;
    jv document = conversation_add_message(jv_object(), "user", "call ping {\"text\":\"hello\"}");
    jv tool =
        jv_parse("{\"name\":\"ping\",\"description\":\"Call this when told to.\",\"parameters\":"
                 "{\"type\":\"object\",\"properties\":{\"text\":{\"type\":\"string\"}}}}");
    bool asked = conversation_add_tools(&document, tool, &error) &&
                 chat_ask(http, settings, &document, &error);
    if (!asked)
        bad(error.status, "tools", "%s", error.text);
    else if (conversation_unfinished_call(document) == NULL)
        bad(STATUS_PROTOCOL, "tools", "the model does not call the tool that it is told to call");
    else
        good("tools", "the model calls a tool when it is told to");
    jv_free(tool);
    jv_free(document);
}

static void check_model(struct http *http) {
    struct error error;
    struct chat_settings settings = {.wishes = {.schema = jv_invalid()}};
    bool configured = chat_configure(&settings, NULL, NULL, NULL, &error);
    if (!configured && settings.api != NULL && settings.api_key == NULL) {
        left_out("model", "%s; fine without a model", error.text);
        return;
    }
    if (!configured) {
        bad(error.status, "model", "%s", error.text);
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
        good("model", "%s answers and takes the key", settings.base_url);
    else
        bad(error.status, "model", "%s", error.text);
    if (given.ask_model && jv_is_valid(body))
        check_tool_call(http, &settings);
    else if (!given.ask_model)
        left_out("tools", "not tried; --ask-model does, which costs tokens");
    jv_free(body);
    http_answer_free(&answer);
    free(url);
    free(key);
}

/* A GET, without a token: any answer will do. */
static void check_stock_api(struct http *http) {
    const char *url = config_get(given.url, "STOCK_API_URL", NULL);
    if (url == NULL) {
        left_out("stock API", "no STOCK_API_URL; fine without stock-buy");
        return;
    }
    struct http_request request = {.method = "GET", .url = url};
    struct http_answer answer;
    http_call(http, &request, &answer);
    if (answer.outcome == HTTP_ANSWERED)
        good("stock API", "%s answers (HTTP %ld without a token)", url, answer.status);
    else
        bad(answer.exit_status, "stock API", "%s", answer.why);
    http_answer_free(&answer);
}

int main(int argc, char **argv) {
    struct client client;
    struct error error, refusal;
    int first = options_parse(&command, argc, argv);
    if (first < argc)
        usage_error("unknown operand '%s'", argv[first]);
    if (given.verbose)
        verbose_on();
    bool configured = client_configure(&client, &given.client, &error);
    if (client.http != NULL)
        http_needs(client.http, &given.needs);
    confine_add(given.needs.reads, config_get(NULL, "CREDENTIALS_DIRECTORY", NULL));
    if (!confine(&given.needs, &refusal)) {
        complain(NULL, "%s", refusal.text);
        client_free(&client);
        return refusal.status;
    }
    if (configured) {
        good("settings", "issuer, client and its credentials are named");
        const char *user = config_get(NULL, "CIBA_USER", NULL);
        if (user == NULL)
            left_out("user", "no CIBA_USER; give -u or another hint to ciba-authorize");
        if (check_issuer(&client))
            check_client(&client);
    } else {
        bad(error.status, "settings", "%s", error.text);
    }
    if (client.http != NULL) {
        check_model(client.http);
        check_stock_api(client.http);
    }
    client_free(&client);
    return worst;
}
