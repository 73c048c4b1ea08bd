/* Orders at a real broker: Alpaca's Trading API v2. Its keys are the broker's own; the user's
 * access token says only that he has approved, and is checked here for that. */
#ifndef CIBA_ALPACA_H
#define CIBA_ALPACA_H

#include "error.h"
#include "executor.h"
#include "http.h"

#include <jv.h>
#include <stdbool.h>

struct alpaca {
    const char *base_url, *key_id, *secret_key;
};

/* Settles address and keys: APCA_API_BASE_URL, else the paper account, or with `live` the real one;
 * APCA_API_KEY_ID and APCA_API_SECRET_KEY. False and an error with status 78, also where the
 * address is the real account's and `live` was not said. */
bool alpaca_configure(struct alpaca *alpaca, bool live, struct error *error);

/* Places a market order for the day of `quantity` shares of `symbol` under the attempt's key
 * (client_order_id, at most 48 characters). Unless the answer is the order, it is looked up by the
 * key; it is ours only if it is of the same symbol and quantity. Sets *result as executor_work
 * does, with the order or the broker's words for the model. *status and a complaint under `id` tell
 * what went wrong. */
enum execution alpaca_buy(struct http *http, const struct alpaca *alpaca, const char *id,
                          const char *symbol, double quantity, const struct attempt *attempt,
                          jv *result, int *status);

#endif
