#include "broker/order.h"

#include "approval/executor.h"
#include "document/call.h"
#include "json/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

jv order_tool(const char *name) {
    static const char text[] =
        "{\"type\":\"function\",\"function\":{\"description\":\"Buy shares of a company for the "
        "user. The user is asked for approval before the order is placed.\",\"parameters\":{"
        "\"type\":\"object\",\"properties\":{\"ticker\":{\"type\":\"string\",\"description\":\"The "
        "ticker symbol, for example GOOGL\",\"minLength\":1,\"maxLength\":15},\"qty\":{\"type\":"
        "\"integer\",\"description\":\"How many shares\",\"minimum\":1}},\"required\":[\"ticker\","
        "\"qty\"],\"additionalProperties\":false}}}";
    jv tool = jv_parse(text), function = json_get(tool, "function");
    return json_set(tool, "function", json_set_string(function, "name", name));
}

/* Copies it to `ticker` in capitals. False if it is not a ticker. */
static bool read_ticker(const char *text, char *ticker) {
    size_t size = text == NULL ? 0 : strlen(text);
    bool good = size >= 1 && size <= TICKER_LIMIT;
    for (size_t i = 0; good && i < size; i++) {
        ticker[i] = (char)(text[i] >= 'a' && text[i] <= 'z' ? text[i] - 32 : text[i]);
        good = strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-", ticker[i]) != NULL;
    }
    return good;
}

bool order_read(jv call, struct order *order, struct error *error) {
    jv arguments = json_get(call, "arguments");
    double *quantity = &order->quantity;
    *order = (struct order){.label = call_label(call)};
    bool good = read_ticker(json_string(arguments, "ticker"), order->ticker);
    if (!good)
        fail(error, STATUS_INPUT, "the ticker is not 1 to 15 of A-Z 0-9 . -");
    else if (!json_number(arguments, "qty", quantity) || !(*quantity >= 1) ||
             *quantity > 9007199254740992.0 || *quantity != floor(*quantity))
        good = fail(error, STATUS_INPUT, "qty is not a positive whole number");
    jv_free(arguments);
    return good;
}

jv order_refusal(jv call, const char *why, int *status) {
    report_failure(status, STATUS_INPUT, call_label(call), "the order is not valid: %s", why);
    char *words = must_format("The order is not valid: %s. Nothing was bought.", why);
    jv result = executor_result(-1, "invalid_arguments", jv_string(words));
    free(words);
    return result;
}
