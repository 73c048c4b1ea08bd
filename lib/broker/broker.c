#include "broker/broker.h"

#include "base/text.h"
#include "broker/order_approval.h"
#include "document/call.h"
#include "system/settings.h"

#include <stdlib.h>
#include <string.h>

/* The table of brokers. A new one needs a file and a row here. */
extern const struct broker broker_stock_api, broker_alpaca;

static const struct broker *const brokers[] = {&broker_stock_api, &broker_alpaca};

enum { BROKERS = sizeof brokers / sizeof *brokers };

/* NULL and an error if no broker has that name. */
static const struct broker *broker_named(const char *name, struct error *error) {
    const char *names[BROKERS];
    size_t count = 0;
    for (size_t i = 0; i < BROKERS; i++) {
        if (name == NULL ? brokers[i]->name == NULL
                         : brokers[i]->name != NULL && strcmp(brokers[i]->name, name) == 0)
            return brokers[i];
        if (brokers[i]->name != NULL)
            names[count++] = brokers[i]->name;
    }
    char *list = text_list(names, count, "and");
    fail(error, STATUS_USAGE, "--broker: only %s %s known", list, count == 1 ? "is" : "are");
    free(list);
    return NULL;
}

/* Sets up the check of approvals for a broker that does not check them. */
static bool configure_approvals(struct brokerage *brokerage, struct error *error) {
    brokerage->audience = settings_get(NULL, "AUDIENCE", NULL);
    return brokerage->audience != NULL ||
           fail(error, STATUS_CONFIG, "no audience: set AUDIENCE, for which approvals are issued");
}

bool broker_key_password(const struct broker_settings *settings, const char **password,
                         struct error *error) {
    const char *file = settings->issuer.key_password_file;
    *password = NULL;
    return file == NULL || settings_secret(password, error, file, NULL);
}

bool brokerage_open(struct brokerage *brokerage, const struct broker_settings *settings,
                    struct error *error) {
    *brokerage = (struct brokerage){.settings = settings,
                                    .issuer = {.metadata = jv_invalid(), .jwks = jv_invalid()}};
    const struct broker *broker = broker_named(settings->broker, error);
    brokerage->broker = broker;
    if (broker == NULL ||
        !(broker->takes_token ? settings_load(settings->issuer.env_file, error)
                              : issuer_configure(&brokerage->issuer, &settings->issuer, error)))
        return false;
    brokerage->account = broker->open(settings, error);
    if (brokerage->account == NULL)
        return false;
    brokerage->proves_key = broker->takes_token && settings->dpop_key_file != NULL;
    struct http_settings http = settings->issuer.http;
    if (!broker_key_password(settings, &http.key_password, error))
        return false;
    brokerage->http = !broker->takes_token
                          ? brokerage->issuer.http
                          : http_new(&http, settings_get(NULL, "SSL_CERT_FILE", NULL),
                                     settings_get(NULL, "SSL_CERT_DIR", NULL));
    return broker->takes_token || configure_approvals(brokerage, error);
}

void brokerage_close(struct brokerage *brokerage) {
    if (brokerage->broker != NULL)
        brokerage->broker->close(brokerage->account);
    if (brokerage->http != brokerage->issuer.http)
        http_free(brokerage->http);
    issuer_free(&brokerage->issuer);
}

/* Whether the token proves the approval of this order; if not, sets the outcome. */
static bool is_approved(struct brokerage *brokerage, jv call, const char *access_token,
                        enum execution *outcome, jv *result, int *status) {
    struct error error;
    struct order_approval wanted = {.issuer = &brokerage->issuer,
                                    .audience = brokerage->audience,
                                    .unbound_token = brokerage->settings->unbound_token};
    if (order_is_approved(&wanted, call, access_token, &error))
        return true;
    if (error.status == STATUS_UNAVAILABLE) {
        report_failure(status, error.status, call_label(call),
                       "%s; nothing was sent, run stock-buy again", error.text);
        *outcome = EXECUTION_NOT_BEGUN;
        return false;
    }
    char *words =
        must_format("Refused: the access token does not hold: %s. Nothing was done.", error.text);
    report_failure(status, STATUS_INPUT, call_label(call),
                   "refused: the access token does not hold: %s", error.text);
    *result = executor_result(-1, "refused", jv_string(words));
    free(words);
    *outcome = EXECUTION_REFUSED;
    return false;
}

enum execution brokerage_order(void *context, jv call, const struct attempt *attempt, jv *result,
                               int *status) {
    struct brokerage *brokerage = context;
    struct error error;
    struct order order;
    enum execution outcome;
    if (!order_read(call, &order, &error)) {
        *result = order_refusal(call, error.text, status);
        return EXECUTION_REFUSED;
    }
    if (!brokerage->broker->takes_token &&
        !is_approved(brokerage, call, attempt->access_token, &outcome, result, status))
        return outcome;
    return brokerage->broker->buy(brokerage->account, brokerage->http, &order, attempt, result,
                                  status);
}
