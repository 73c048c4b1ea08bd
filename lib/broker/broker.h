/* Where orders are placed: the user's own stock API, or a broker. Each is a row of the table in
 * broker.c and has a file of its own. */
#ifndef CIBA_BROKER_BROKER_H
#define CIBA_BROKER_BROKER_H

#include "approval/executor.h"
#include "base/error.h"
#include "broker/order.h"
#include "http/http.h"
#include "oauth/issuer.h"

#include <jv.h>
#include <stdbool.h>

/* Settings from the command line; NULL where not given. */
struct broker_settings {
    const char *broker;            /* its name; NULL for the user's own API */
    const char *url;               /* of that API */
    const char *dpop_key_file;     /* the key that its tokens are bound to */
    bool live;                     /* with real money, if the broker also has accounts without */
    bool unbound_token;            /* the token need not contain the request and the order */
    struct issuer_settings issuer; /* -e and HTTP for all; the issuer, for brokers */
};

struct broker {
    const char *name; /* for --broker; NULL for the default */

    /* The API checks the access token, which is sent with each order. Otherwise we check the token
     * before an order, and use the broker's own keys. */
    bool takes_token;

    /* Sets up what orders need: address, keys. NULL and an error with status 66 or 78. */
    void *(*open)(const struct broker_settings *settings, struct error *error);

    /* Places an order under the attempt's key. Sets *result as executor_work does, to the order or
     * the broker's message for the model. Reports failures and makes *status worse by them. */
    enum execution (*buy)(void *account, struct http *http, const struct order *order,
                          const struct attempt *attempt, jv *result, int *status);

    void (*close)(void *account); /* `account` may be NULL */
};

/* An opened broker. */
struct brokerage {
    const struct broker *broker;
    const struct broker_settings *settings;
    void *account; /* of `open` */
    struct http *http;
    struct issuer issuer; /* of approvals, if the broker does not take the token */
    const char *audience;
    bool proves_key; /* proves possession of the key that the token is bound to (DPoP) */
};

/* The password of the key files, NULL for none. False and an error with status 66 or 78. */
bool broker_key_password(const struct broker_settings *settings, const char **password,
                         struct error *error);

/* Chooses the broker and sets it up from the settings, which stay the caller's, environment and the
 * -e file, which is read here, without network access. False and an error with status 64, 66 or 78.
 * Close it with brokerage_close in either case. */
bool brokerage_open(struct brokerage *brokerage, const struct broker_settings *settings,
                    struct error *error);
void brokerage_close(struct brokerage *brokerage);

/* An executor_work whose context is a struct brokerage: places the call's order. */
enum execution brokerage_order(void *brokerage, jv call, const struct attempt *attempt, jv *result,
                               int *status);

#endif
