/* Whether an access token proves that an order was approved, for a broker that does not check
 * tokens. */
#ifndef CIBA_BROKER_ORDER_APPROVAL_H
#define CIBA_BROKER_ORDER_APPROVAL_H

#include "base/error.h"
#include "oauth/issuer.h"

#include <jv.h>
#include <stdbool.h>

/* The issuer and purpose that the token must have. */
struct order_approval {
    struct issuer *issuer; /* fetches its keys */
    const char *audience;
    bool unbound_token; /* the token need not contain the request and the order; a seal binds them
                           too */
};

/* Whether the token proves the approval of this call's order: from the issuer, for the audience and
 * the scope stock:trade, by the user who was asked. False and an error: 65, or the issuer's, such
 * as 69. */
bool order_is_approved(const struct order_approval *wanted, jv call, const char *access_token,
                       struct error *error);

#endif
