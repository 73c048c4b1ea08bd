/* An order of shares, as a model requests it. */
#ifndef CIBA_BROKER_ORDER_H
#define CIBA_BROKER_ORDER_H

#include "base/error.h"

#include <jv.h>
#include <stdbool.h>

enum { TICKER_LIMIT = 15 };

struct order {
    const char *label; /* of its call, for messages; lives as long as that does; may be NULL */
    char ticker[TICKER_LIMIT + 1];
    double quantity; /* a positive integer */
};

/* The definition of the tool with this name, in OpenAI's form, for the model. */
jv order_tool(const char *name);

/* Reads and checks the order of a call; puts the ticker in capitals. False and an error with status
 * 65. */
bool order_read(jv call, struct order *order, struct error *error);

/* Reports that the call's order is invalid. Returns the result that tells the model so. */
jv order_refusal(jv call, const char *why, int *status);

#endif
