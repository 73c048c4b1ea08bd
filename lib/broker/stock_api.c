/* Orders at the user's own stock API, which checks the access token: man/stock-buy.1 specifies
 * it. */
#include "broker/broker.h"

#include "http/url.h"
#include "jose/key_file.h"
#include "oauth/dpop.h"
#include "system/settings.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>

struct stock_api {
    const char *url;
    EVP_PKEY *dpop_key; /* NULL for none */
    char *dpop_nonce;   /* for the next proof, as the API demands; NULL for none */
};

static void stock_api_close(void *account) {
    struct stock_api *api = account;
    if (api == NULL)
        return;
    EVP_PKEY_free(api->dpop_key);
    free(api->dpop_nonce);
    free(api);
}

static void *stock_api_open(const struct broker_settings *settings, struct error *error) {
    const char *url = settings_get(settings->url, "STOCK_API_URL", NULL);
    EVP_PKEY *key = NULL;
    if (url == NULL) {
        fail(error, STATUS_CONFIG, "no stock API: set STOCK_API_URL, or --url");
        return NULL;
    }
    const char *password;
    if (settings->dpop_key_file != NULL &&
        (!broker_key_password(settings, &password, error) ||
         (key = key_file_load(settings->dpop_key_file, password, error)) == NULL))
        return NULL;
    if (!http_url_allowed(url, "STOCK_API_URL", error)) {
        EVP_PKEY_free(key);
        return NULL;
    }
    struct stock_api *api = must_alloc(sizeof *api);
    *api = (struct stock_api){.url = url, .dpop_key = key};
    return api;
}

/* The answer for the model: the status, and the body if it is JSON. */
static jv words_for_model(const struct http_answer *answer) {
    struct error ignored;
    jv body;
    const char *reason = answer->reason[0] != '\0' ? answer->reason : "no reason given";
    if (!json_parse(answer->body, answer->size, &body, &ignored))
        return jv_string(reason);
    return json_set(json_set_string(jv_object(), "status", reason), "body", body);
}

/* Whether the API says that the access token does not hold any more (RFC 6750 §3.1): then nothing
 * was done. */
static bool refuses_token(const struct http_answer *answer) {
    struct error ignored;
    jv body;
    if (answer->status != 401)
        return false;
    bool refuses = answer->refuses_token;
    if (json_parse(answer->body, answer->size, &body, &ignored))
        refuses = refuses || json_is(body, "error", "invalid_token");
    jv_free(body);
    return refuses;
}

/* What to do about a refusal, "" if nothing is known; the caller frees. */
static char *advice_for(const struct http_answer *answer) {
    if (!answer->needs_user)
        return must_copy("");
    if (answer->acr_values[0] == '\0')
        return must_copy(
            "; the API wants the user to be authenticated otherwise, or anew: ask again");
    return must_format("; the API wants the user to be authenticated otherwise: ask with "
                       "ciba-authorize --acr-values '%s'",
                       answer->acr_values);
}

/* The outcome by the API's answer. */
static enum execution read_answer(const struct order *order, const struct attempt *attempt,
                                  const struct http_answer *answer, jv *result, int *status) {
    long code = answer->status;
    if (code >= 200 && code < 300) {
        *result = executor_result((int)code, NULL, words_for_model(answer));
        return EXECUTION_DONE;
    }
    if (attempt->may_renew && refuses_token(answer))
        return EXECUTION_TOKEN_ENDED;
    if (!executor_is_refusal(code)) {
        report_failure(
            status, code < 400 ? STATUS_PROTOCOL : STATUS_UNAVAILABLE, order->label,
            "HTTP %ld %s: whether the order was placed is unknown; run stock-buy on this "
            "document again, it sends the same Idempotency-Key",
            code, answer->reason);
        return EXECUTION_UNKNOWN;
    }
    char *advice = advice_for(answer);
    report_failure(status, code == 401 || code == 403 ? STATUS_REFUSED : STATUS_INPUT, order->label,
                   attempt->again ? "the order is refused now, and an earlier try may have placed "
                                    "it: HTTP %ld %s%s"
                                  : "the order was refused: HTTP %ld %s%s",
                   code, answer->reason, advice);
    free(advice);
    *result = executor_result((int)code, "order_refused", words_for_model(answer));
    return EXECUTION_REFUSED;
}

/* Whether the API refused the request because it wants a nonce of its own: by its error code or, as
 * 401 permits, by the nonce alone (RFC 9449 §9). */
static bool needs_nonce(const struct http_answer *answer) {
    struct error ignored;
    jv body;
    if (answer->outcome != HTTP_ANSWERED || answer->dpop_nonce == NULL)
        return false;
    if (answer->status != 400)
        return answer->status == 401;
    bool named = answer->needs_dpop_nonce;
    if (json_parse(answer->body, answer->size, &body, &ignored))
        named = named || json_is(body, "error", "use_dpop_nonce");
    jv_free(body);
    return named;
}

/* One POST, with a proof of the key that the token is bound to. Keeps each answer's nonce for the
 * next one (RFC 9449 §8.2). */
static bool post_order(struct stock_api *api, struct http *http, struct http_request request,
                       const char *access_token, struct http_answer *answer, struct error *error) {
    char *proof =
        dpop_header(api->dpop_key, NULL, "POST", api->url, api->dpop_nonce, access_token, error);
    if (proof == NULL)
        return false;
    request.bearer = NULL;
    request.dpop_token = access_token;
    request.headers[1] = proof;
    http_call(http, &request, answer);
    free(proof);
    if (answer->dpop_nonce != NULL) {
        free(api->dpop_nonce);
        api->dpop_nonce = must_copy(answer->dpop_nonce);
    }
    return true;
}

/* Sends the order, and again if the API refused the first request to set its nonce (RFC 9449
 * §9). */
static void send_order(struct stock_api *api, struct http *http, const struct attempt *attempt,
                       const char *body, struct http_answer *answer) {
    char *header = must_format("Idempotency-Key: %s", attempt->key);
    struct http_request request = {.method = "POST",
                                   .url = api->url,
                                   .body = body,
                                   .content_type = "application/json",
                                   .bearer = attempt->access_token,
                                   .headers = {header}};
    struct error error;
    if (!attempt->is_dpop) {
        http_call(http, &request, answer);
    } else {
        bool made = post_order(api, http, request, attempt->access_token, answer, &error);
        if (made && needs_nonce(answer)) {
            http_answer_free(answer);
            made = post_order(api, http, request, attempt->access_token, answer, &error);
        }
        if (!made) {
            *answer = (struct http_answer){.outcome = HTTP_NOT_SENT, .exit_status = error.status};
            memcpy(answer->why, error.text, sizeof answer->why - 1);
        }
    }
    free(header);
}

static char *order_body(const struct order *order) {
    jv body = json_set_string(jv_object(), "ticker", order->ticker);
    body = json_set(body, "qty", jv_number(order->quantity));
    char *text = json_text(body);
    jv_free(body);
    return text;
}

static enum execution stock_api_buy(void *account, struct http *http, const struct order *order,
                                    const struct attempt *attempt, jv *result, int *status) {
    char *body = order_body(order);
    struct http_answer answer;
    enum execution outcome = EXECUTION_UNKNOWN;
    send_order(account, http, attempt, body, &answer);
    if (answer.outcome == HTTP_ANSWERED) {
        outcome = read_answer(order, attempt, &answer, result, status);
    } else {
        if (answer.outcome == HTTP_NOT_SENT)
            outcome = EXECUTION_NOT_BEGUN;
        report_failure(status, answer.exit_status, order->label,
                       answer.outcome == HTTP_NOT_SENT
                           ? "%s: the order was not sent; run stock-buy on this document again"
                           : "%s: whether the order was placed is unknown; run stock-buy on this "
                             "document again, it sends the same Idempotency-Key",
                       answer.why);
    }
    http_answer_free(&answer);
    free(body);
    return outcome;
}

const struct broker broker_stock_api = {
    .name = NULL,
    .takes_token = true,
    .open = stock_api_open,
    .buy = stock_api_buy,
    .close = stock_api_close,
};
