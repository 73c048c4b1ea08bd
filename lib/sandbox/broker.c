#include "sandbox/broker.h"

#include "jose/digest.h"
#include "json/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHARES_LIMIT = 1000 /* the account cannot pay for more */ };

static void reply_broker_error(struct sandbox_reply *reply, int status, double code,
                               const char *message) {
    jv body = json_set(jv_object(), "code", jv_number(code));
    reply_json(reply, status, json_set_string(body, "message", message));
}

/* Whether the keys are the broker's; sets the reply if not. */
static bool keys_match(const struct sandbox *sandbox, const struct sandbox_request *request,
                       struct sandbox_reply *reply) {
    if (request->broker_key_id != NULL && request->broker_secret_key != NULL &&
        same_secret(request->broker_key_id, sandbox->broker_key_id) &&
        same_secret(request->broker_secret_key, sandbox->broker_secret_key))
        return true;
    reply_json(reply, 401, json_set_string(jv_object(), "message", "unauthorized"));
    return false;
}

/* {symbol, qty, side, type, time_in_force, client_order_id}, all strings. */
static bool read_order(const struct sandbox_request *request, jv *order, double *quantity) {
    struct error error;
    bool good = json_parse(request->body, request->size, order, &error) &&
                json_string(*order, "symbol") != NULL && json_is(*order, "side", "buy") &&
                json_is(*order, "type", "market") && json_is(*order, "time_in_force", "day") &&
                json_string(*order, "qty") != NULL &&
                json_number_or_digits(*order, "qty", quantity) && *quantity >= 1;
    const char *id = json_string(*order, "client_order_id");
    return good && (id == NULL || strlen(id) <= 48);
}

void broker_order(struct sandbox *sandbox, const struct sandbox_request *request,
                  struct sandbox_reply *reply) {
    jv order = jv_invalid();
    double quantity = 0;
    if (!keys_match(sandbox, request, reply))
        return;
    bool good = read_order(request, &order, &quantity);
    const char *key = json_string(order, "client_order_id");
    if (!good) {
        reply_broker_error(reply, 422, 40010001, "the order is not valid");
    } else if (key != NULL && json_has(sandbox->orders_by_key, key)) {
        reply_broker_error(reply, 422, 40010001, "client_order_id must be unique");
    } else if (quantity > SHARES_LIMIT) {
        reply_broker_error(reply, 403, 40310000, "insufficient buying power");
    } else {
        char *id = random_name(12);
        jv placed = json_set_string(jv_copy(order), "id", id);
        placed = json_set_string(placed, "status", "accepted");
        jv entry = json_set_string(jv_object(), "ticker", json_string(order, "symbol"));
        sandbox->orders =
            jv_array_append(sandbox->orders, json_set(entry, "qty", jv_number(quantity)));
        if (key != NULL)
            sandbox->orders_by_key = json_set(sandbox->orders_by_key, key, jv_copy(placed));
        sandbox_tell(sandbox, "order at the broker: %.0f shares of %s", quantity,
                     json_string(order, "symbol"));
        reply_json(reply, 200, placed);
        free(id);
    }
    jv_free(order);
}

void broker_find(struct sandbox *sandbox, const struct sandbox_request *request,
                 struct sandbox_reply *reply) {
    if (!keys_match(sandbox, request, reply))
        return;
    jv order = request->client_order_id != NULL
                   ? json_get(sandbox->orders_by_key, request->client_order_id)
                   : jv_invalid();
    if (jv_is_valid(order))
        reply_json(reply, 200, order);
    else
        reply_broker_error(reply, 404, 40410000, "order not found");
}
