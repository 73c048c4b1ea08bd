/* Orders at a real broker: Alpaca's Trading API v2. It has keys of its own and does not check
 * access tokens. */
#include "broker/broker.h"

#include "http/form.h"
#include "http/url.h"
#include "system/settings.h"
#include "json/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char paper_url[] = "https://paper-api.alpaca.markets";
static const char live_url[] = "https://api.alpaca.markets", live_host[] = "api.alpaca.markets";

struct alpaca {
    const char *base_url, *key_id, *secret_key;
};

/* APCA_API_BASE_URL, else the paper account, or with --live the real one; the real one's address is
 * refused without --live. */
static bool configure(struct alpaca *alpaca, bool live, struct error *error) {
    alpaca->base_url = settings_get(NULL, "APCA_API_BASE_URL", NULL);
    if (alpaca->base_url == NULL)
        alpaca->base_url = live ? live_url : paper_url;
    if (!http_url_allowed(alpaca->base_url, "APCA_API_BASE_URL", error))
        return false;
    if (!live && http_url_is_on(alpaca->base_url, live_host))
        return fail(error, STATUS_CONFIG, "%s is the real account; --live says that you mean it",
                    alpaca->base_url);
    if (!settings_secret(&alpaca->key_id, error, NULL, "APCA_API_KEY_ID", NULL) ||
        !settings_secret(&alpaca->secret_key, error, NULL, "APCA_API_SECRET_KEY", NULL))
        return false;
    if (alpaca->key_id == NULL || alpaca->secret_key == NULL)
        return fail(error, STATUS_CONFIG,
                    "no broker's keys: set APCA_API_KEY_ID and APCA_API_SECRET_KEY");
    return true;
}

static void *alpaca_open(const struct broker_settings *settings, struct error *error) {
    struct alpaca *alpaca = must_alloc(sizeof *alpaca);
    *alpaca = (struct alpaca){NULL, NULL, NULL};
    if (configure(alpaca, settings->live, error))
        return alpaca;
    free(alpaca);
    return NULL;
}

/* One request to the path; `body` is NULL for a GET. The answer's JSON is the caller's. */
static jv ask(struct http *http, const struct alpaca *alpaca, const char *path, const char *body,
              struct http_answer *answer) {
    struct error ignored;
    size_t size = strlen(alpaca->base_url);
    size -= size > 0 && alpaca->base_url[size - 1] == '/';
    char *url = must_format("%.*s%s", (int)size, alpaca->base_url, path);
    char *id = must_format("APCA-API-KEY-ID: %s", alpaca->key_id);
    char *secret = must_format("APCA-API-SECRET-KEY: %s", alpaca->secret_key);
    struct http_request request = {.method = body != NULL ? "POST" : "GET",
                                   .url = url,
                                   .body = body,
                                   .content_type = "application/json",
                                   .headers = {id, secret}};
    jv parsed = jv_invalid();
    http_call(http, &request, answer);
    if (answer->outcome == HTTP_ANSWERED)
        json_parse(answer->body, answer->size, &parsed, &ignored);
    free(url);
    free(id);
    free(secret);
    return parsed;
}

static char *order_body(const struct order *wanted, const char *key) {
    char number[40];
    snprintf(number, sizeof number, "%.0f", wanted->quantity); /* the API has numbers as strings */
    jv order = json_set_string(jv_object(), "symbol", wanted->ticker);
    order = json_set_string(json_set_string(order, "qty", number), "side", "buy");
    order = json_set_string(json_set_string(order, "type", "market"), "time_in_force", "day");
    order = json_set_string(order, "client_order_id", key);
    char *text = json_text(order);
    jv_free(order);
    return text;
}

static jv placed(long http_status, jv order) {
    jv content = json_set_string(jv_object(), "status", "OK");
    return executor_result((int)http_status, NULL, json_set(content, "order", order));
}

/* The result of looking up a key. */
enum found { FOUND_NOTHING, FOUND_OURS, FOUND_ANOTHER, FOUND_UNKNOWN };

static bool is_order(jv order, const struct order *wanted) {
    double found = 0;
    const char *text = json_string(order, "qty");
    char *end = NULL;
    bool number = text != NULL ? (found = strtod(text, &end), *text != '\0' && *end == '\0')
                               : json_number(order, "qty", &found);
    return json_is(order, "symbol", wanted->ticker) && number && found == wanted->quantity &&
           (!json_has(order, "side") || json_is(order, "side", "buy"));
}

/* Looks the order up by its key; it is ours only if symbol and quantity agree. *order is the
 * caller's, valid if there is one. */
static enum found look_up(struct http *http, const struct alpaca *alpaca, const char *key,
                          const struct order *wanted, jv *order) {
    struct http_answer answer;
    char *coded = form_encode(key);
    char *path = must_format("/v2/orders:by_client_order_id?client_order_id=%s", coded);
    *order = ask(http, alpaca, path, NULL, &answer);
    bool answered = answer.outcome == HTTP_ANSWERED;
    /* 401: without an account there is no order. */
    enum found found =
        answered && (answer.status == 404 || answer.status == 401) ? FOUND_NOTHING : FOUND_UNKNOWN;
    if (answered && answer.status == 200 && json_is(*order, "client_order_id", key))
        found = is_order(*order, wanted) ? FOUND_OURS : FOUND_ANOTHER;
    http_answer_free(&answer);
    free(coded);
    free(path);
    return found;
}

/* What to do about a refusal, by its status. */
static const char *advice_for(long http_status) {
    return http_status == 401   ? "check APCA_API_KEY_ID and APCA_API_SECRET_KEY"
           : http_status == 403 ? "the account may not do this, or has too little buying power"
           : http_status == 422 ? "the broker does not accept such an order"
                                : "";
}

static jv refused(const struct http_answer *answer, jv body, const char *id, int *status) {
    const char *words = json_string(body, "message");
    const char *advice = advice_for(answer->status);
    bool permission = answer->status == 401 || answer->status == 403;
    report_failure(status, permission ? STATUS_REFUSED : STATUS_INPUT, id,
                   "the broker refuses the order: HTTP %ld %s%s%s%s%s%s%s", answer->status,
                   answer->reason, words != NULL ? ": " : "", words != NULL ? words : "",
                   *advice ? "; " : "", advice, *answer->request_id ? "; request " : "",
                   answer->request_id);
    char *for_model = must_format("The broker refuses the order: %s. Nothing was bought.",
                                  words != NULL ? words : answer->reason);
    jv result = executor_result((int)answer->status, "order_refused", jv_string(for_model));
    free(for_model);
    return result;
}

/* The key belongs to another order: nothing was bought for us. */
static jv another_order(const char *id, int *status) {
    report_failure(status, STATUS_PROTOCOL, id,
                   "the broker has another order under this key; nothing was bought");
    return executor_result(-1, "order_refused",
                           jv_string("The broker has another order under the same key. Nothing was "
                                     "bought."));
}

static void ask_for_another_run(const struct http_answer *answer, const char *id, int *status) {
    if (answer->outcome == HTTP_ANSWERED)
        report_failure(status, STATUS_UNAVAILABLE, id,
                       "the broker says HTTP %ld %s; run stock-buy on this document again, it "
                       "places the order once",
                       answer->status, answer->reason);
    else
        report_failure(status, STATUS_UNAVAILABLE, id,
                       "%s; run stock-buy on this document again, it places the order once",
                       answer->why);
}

/* A market order for the day. client_order_id is the key, at most 48 characters. If the answer is
 * not the order, looks it up by the key. */
static enum execution alpaca_buy(void *account, struct http *http, const struct order *order,
                                 const struct attempt *attempt, jv *result, int *status) {
    const struct alpaca *alpaca = account;
    const char *id = order->label;
    struct http_answer answer;
    char *text = order_body(order, attempt->key);
    jv body = ask(http, alpaca, "/v2/orders", text, &answer), earlier = jv_invalid();
    const char *words = json_string(body, "message");
    bool answered = answer.outcome == HTTP_ANSWERED;
    bool taken = answered && answer.status == 422 && words != NULL &&
                 strstr(words, "client_order_id must be unique") != NULL;
    bool placed_now = answered && answer.status >= 200 && answer.status < 300 &&
                      json_is(body, "client_order_id", attempt->key);
    enum found found = FOUND_UNKNOWN;
    if (!placed_now && answer.outcome != HTTP_NOT_SENT)
        found = look_up(http, alpaca, attempt->key, order, &earlier);
    bool refusal =
        answered && executor_is_refusal(answer.status) && found == FOUND_NOTHING && !taken;
    enum execution outcome = EXECUTION_DONE;
    if (placed_now) {
        *result = placed(answer.status, jv_copy(body));
    } else if (found == FOUND_OURS) {
        *result = placed(200, jv_copy(earlier));
    } else if (found == FOUND_ANOTHER) {
        *result = another_order(id, status);
        outcome = EXECUTION_REFUSED;
    } else if (refusal) {
        *result = refused(&answer, body, id, status);
        outcome = EXECUTION_REFUSED;
    } else {
        ask_for_another_run(&answer, id, status);
        outcome = answer.outcome == HTTP_NOT_SENT ? EXECUTION_NOT_BEGUN : EXECUTION_UNKNOWN;
    }
    free(text);
    jv_free(earlier);
    jv_free(body);
    http_answer_free(&answer);
    return outcome;
}

const struct broker broker_alpaca = {
    .name = "alpaca",
    .takes_token = false,
    .open = alpaca_open,
    .buy = alpaca_buy,
    .close = free,
};
