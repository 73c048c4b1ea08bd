#include "sandbox/stock.h"

#include "base/clock.h"
#include "oauth/access_token.h"
#include "sandbox/grants.h"
#include "json/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The token's claims if it is valid; otherwise invalid, with the reply set. */
static jv check_token(struct sandbox *sandbox, const struct sandbox_request *request,
                      struct sandbox_reply *reply) {
    const char *header = request->authorization;
    struct access_token_facts facts = {.issuer = sandbox->issuer,
                                       .audience = sandbox->audience,
                                       .scope = "stock:trade",
                                       .type = "at+jwt",
                                       .now = clock_now()};
    struct error error = {0, "no Bearer token"};
    jv claims = jv_invalid();
    enum access_token_verdict verdict = ACCESS_TOKEN_INVALID;
    if (header != NULL && strncasecmp(header, "Bearer ", 7) == 0)
        verdict = access_token_verify(header + 7, sandbox->jwks, &facts, &claims, &error);
    if (verdict == ACCESS_TOKEN_VALID && grant_is_revoked(sandbox, claims)) {
        jv_free(claims);
        claims = jv_invalid();
        verdict = ACCESS_TOKEN_INVALID;
        fail(&error, 0, "it was revoked");
    }
    if (verdict == ACCESS_TOKEN_NARROW) {
        reply_error(reply, 403, "insufficient_scope", error.text);
    } else if (verdict != ACCESS_TOKEN_VALID) {
        reply_error(reply, 401, "invalid_token", error.text);
        reply->headers =
            json_set_string(reply->headers, "WWW-Authenticate", "Bearer error=\"invalid_token\"");
    }
    return claims;
}

/* If the token lists what may be bought, only that is allowed. */
static bool details_allow(jv claims, jv order) {
    jv details = json_get(claims, "authorization_details");
    bool allowed = !jv_is_valid(details);
    if (jv_get_kind(details) == JV_KIND_ARRAY) {
        jv_array_foreach(details, i, detail) {
            jv merged = jv_object_merge(jv_copy(detail), jv_copy(order));
            allowed = allowed || json_equal(merged, detail);
            jv_free(merged);
            jv_free(detail);
        }
    }
    jv_free(details);
    return allowed;
}

/* Reads {ticker, qty} from the body, and nothing else. */
static bool read_order(const struct sandbox_request *request, jv *order) {
    struct error error;
    jv body;
    double quantity;
    bool good = json_parse(request->body, request->size, &body, &error);
    const char *ticker = json_string(body, "ticker");
    good = good && ticker != NULL && strlen(ticker) >= 1 && strlen(ticker) <= 15 &&
           strspn(ticker, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") == strlen(ticker) &&
           json_number(body, "qty", &quantity) && quantity >= 1 && quantity == floor(quantity) &&
           jv_object_length(jv_copy(body)) == 2;
    *order = good ? jv_copy(body) : jv_invalid();
    jv_free(body);
    return good;
}

/* Records the order, which is taken, and returns it with its id. */
static jv place(struct sandbox *sandbox, jv order) {
    char id[40];
    snprintf(id, sizeof id, "order-%d", jv_array_length(jv_copy(sandbox->orders)) + 1);
    jv placed = json_set_string(jv_copy(order), "id", id);
    placed = json_set_string(placed, "status", "accepted");
    sandbox->orders = jv_array_append(sandbox->orders, jv_copy(placed));
    double quantity = 0;
    json_number(order, "qty", &quantity);
    sandbox_tell(sandbox, "order: %.0f shares of %s", quantity, json_string(order, "ticker"));
    jv_free(order);
    return placed;
}

void stock_order(struct sandbox *sandbox, const struct sandbox_request *request,
                 struct sandbox_reply *reply) {
    jv order, claims = check_token(sandbox, request, reply);
    if (!jv_is_valid(claims))
        return;
    if (!read_order(request, &order)) {
        reply_error(reply, 422, "invalid_order", "an order is {\"ticker\": \"GOOGL\", \"qty\": 3}");
        jv_free(claims);
        return;
    }
    const char *key = request->idempotency_key;
    jv earlier = key != NULL ? json_get(sandbox->orders_by_key, key) : jv_invalid();
    jv earlier_order = json_get(earlier, "request");
    if (!details_allow(claims, order)) {
        reply_error(reply, 403, "not_authorized", "the token is for another order");
    } else if (!jv_is_valid(earlier)) {
        jv placed = place(sandbox, jv_copy(order));
        jv entry = json_set(jv_object(), "request", jv_copy(order));
        entry = json_set(entry, "order", jv_copy(placed));
        if (key != NULL)
            sandbox->orders_by_key = json_set(sandbox->orders_by_key, key, entry);
        else
            jv_free(entry);
        reply_json(reply, 200, placed);
    } else if (json_equal(earlier_order, order)) {
        reply_json(reply, 200, json_get(earlier, "order"));
    } else {
        reply_error(reply, 422, "idempotency_key_reused", "the key was used for another order");
    }
    jv_free(earlier_order);
    jv_free(earlier);
    jv_free(order);
    jv_free(claims);
}

/* The sum of the orders: {"GOOGL": 3}. Needs no token: it is an example of a tool that only
 * reads. */
void stock_portfolio(struct sandbox *sandbox, struct sandbox_reply *reply) {
    jv portfolio = jv_object();
    jv_array_foreach(sandbox->orders, i, order) {
        const char *ticker = json_string(order, "ticker");
        double quantity = 0, before = 0;
        if (ticker != NULL && json_number(order, "qty", &quantity)) {
            json_number(portfolio, ticker, &before);
            portfolio = json_set(portfolio, ticker, jv_number(before + quantity));
        }
        jv_free(order);
    }
    reply_json(reply, 200, portfolio);
}
