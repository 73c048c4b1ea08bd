#include "broker/order_approval.h"

#include "base/clock.h"
#include "oauth/access_token.h"
#include "json/json.h"

/* Whether one of the token's details has the order's ticker and qty as they are in the call. */
static bool details_name(jv claims, jv arguments) {
    jv details = json_array(claims, "authorization_details");
    jv ticker = json_get(arguments, "ticker"), qty = json_get(arguments, "qty");
    bool found = false;
    jv_array_foreach(details, i, detail) {
        jv named = json_get(detail, "ticker"), number = json_get(detail, "qty");
        found = found || (json_equal(named, ticker) && json_equal(number, qty));
        jv_free(named);
        jv_free(number);
        jv_free(detail);
    }
    jv_free(details);
    jv_free(ticker);
    jv_free(qty);
    return found;
}

/* Whether the token with these claims contains the user who was asked, the request and the order:
 * otherwise it would be valid for any of the user's orders. With --unbound-token the user suffices,
 * because a seal binds the rest. */
static bool claims_bind(jv claims, jv call, bool unbound_token, struct error *error) {
    static const char request_claim[] = "urn:openid:params:jwt:claim:auth_req_id";
    jv authorization = json_get(call, "authorization"), arguments = json_get(call, "arguments");
    const char *auth_req_id = json_string(authorization, "auth_req_id");
    const char *user = json_string(authorization, "user");
    bool named = json_has(claims, request_claim), good = true;
    if (user == NULL)
        user = json_string(authorization, "approved_by");
    if (user == NULL || auth_req_id == NULL)
        good = fail(error, STATUS_INPUT, "the authorization does not say who was asked");
    else if (!json_is(claims, "sub", user))
        good = fail(error, STATUS_INPUT, "it is not of the user who was asked");
    else if (named && !json_is(claims, request_claim, auth_req_id))
        good = fail(error, STATUS_INPUT, "it is for another request");
    else if (!named && !unbound_token)
        good = fail(error, STATUS_INPUT, "it does not name the request (%s)", request_claim);
    else if (json_has(claims, "authorization_details") ? !details_name(claims, arguments)
                                                       : !unbound_token)
        good = fail(error, STATUS_INPUT,
                    "it has no authorization_details with this ticker and qty; ask with -d");
    jv_free(authorization);
    jv_free(arguments);
    return good;
}

bool order_is_approved(const struct order_approval *wanted, jv call, const char *access_token,
                       struct error *error) {
    struct issuer *issuer = wanted->issuer;
    struct access_token_facts facts = {
        .issuer = issuer->url,
        .audience = wanted->audience,
        .scope = "stock:trade",
        .now = clock_now(),
        .any_binding = true}; /* the token is our own, nobody presents it to us */
    jv claims;
    bool good = access_token_verify_by(issuer, access_token, &facts, &claims, error) ==
                    ACCESS_TOKEN_VALID &&
                claims_bind(claims, call, wanted->unbound_token, error);
    jv_free(claims);
    return good;
}
