#include "id_token.h"

#include "json.h"

#include <stdlib.h>
#include <string.h>

/* aud is a string or an array of strings. */
static bool audience_has(jv payload, const char *client_id, int *count) {
    jv audience = json_get(payload, "aud");
    bool found = false;
    *count = 1;
    if (jv_get_kind(audience) == JV_KIND_ARRAY) {
        *count = jv_array_length(jv_copy(audience));
        jv_array_foreach(audience, i, one) {
            const char *name = json_value_string(one);
            found = found || (name != NULL && strcmp(name, client_id) == 0);
            jv_free(one);
        }
    } else {
        const char *name = json_value_string(audience);
        found = name != NULL && strcmp(name, client_id) == 0;
    }
    jv_free(audience);
    return found;
}

static bool times_hold(jv payload, double now, struct error *error) {
    double expires, issued, not_before;
    if (!json_number(payload, "exp", &expires))
        return fail(error, STATUS_PROTOCOL, "it has no 'exp'");
    if (expires <= now - CLOCK_SKEW_SECONDS)
        return fail(error, STATUS_PROTOCOL, "it has expired ('exp' is %.0f s ago)", now - expires);
    if (!json_number(payload, "iat", &issued))
        return fail(error, STATUS_PROTOCOL, "it has no 'iat'");
    if (issued > now + CLOCK_SKEW_SECONDS)
        return fail(error, STATUS_PROTOCOL,
                    "it is from the future ('iat' in %.0f s); is the clock right?", issued - now);
    if (json_has(payload, "nbf") &&
        (!json_number(payload, "nbf", &not_before) || not_before > now + CLOCK_SKEW_SECONDS))
        return fail(error, STATUS_PROTOCOL, "it is not valid yet ('nbf')");
    return true;
}

bool id_token_claims_hold(const struct jws *token, const struct id_token_facts *facts,
                          struct error *error) {
    static const char request_claim[] = "urn:openid:params:jwt:claim:auth_req_id";
    jv payload = token->payload;
    int audiences;
    if (jv_get_kind(payload) != JV_KIND_OBJECT)
        return fail(error, STATUS_PROTOCOL, "its payload is not a JSON object");
    if (!json_is(payload, "iss", facts->issuer))
        return fail(error, STATUS_PROTOCOL, "its 'iss' is not %s", facts->issuer);
    if (!audience_has(payload, facts->client_id, &audiences))
        return fail(error, STATUS_PROTOCOL, "its 'aud' is not this client");
    if (json_has(payload, "azp") ? !json_is(payload, "azp", facts->client_id) : audiences > 1)
        return fail(error, STATUS_PROTOCOL, "its 'azp' is not this client");
    if (!times_hold(payload, facts->now, error))
        return false;
    if (json_string(payload, "sub") == NULL)
        return fail(error, STATUS_PROTOCOL, "it has no 'sub'");
    if (facts->user != NULL && !json_is(payload, "sub", facts->user))
        return fail(error, STATUS_PROTOCOL, "its 'sub' is not the user who was asked");
    if (facts->auth_req_id != NULL && json_has(payload, request_claim) &&
        !json_is(payload, request_claim, facts->auth_req_id))
        return fail(error, STATUS_PROTOCOL, "it answers another auth_req_id");
    if (facts->access_token != NULL && json_has(payload, "at_hash")) {
        char *hash = jws_half_hash(token, facts->access_token);
        bool same = json_is(payload, "at_hash", hash);
        free(hash);
        if (!same)
            return fail(error, STATUS_PROTOCOL, "its 'at_hash' is of another access token");
    }
    return true;
}

bool id_token_verify(struct client *client, const char *token, struct id_token_facts facts,
                     struct error *error) {
    struct jws jws;
    if (!jws_parse(token, &jws, error))
        return false;
    facts.issuer = client->issuer;
    facts.client_id = client->id;
    bool good = client_fetch_keys(client, false, error);
    enum jws_verdict verdict = good ? jws_verify(&jws, client->jwks, error) : JWS_INVALID;
    if (verdict == JWS_NO_KEY) {
        good = client_fetch_keys(client, true, error);
        verdict = good ? jws_verify(&jws, client->jwks, error) : JWS_INVALID;
    }
    good = verdict == JWS_VALID && id_token_claims_hold(&jws, &facts, error);
    jws_free(&jws);
    return good;
}
