#include "id_token.h"

#include "json.h"
#include "jwt.h"

#include <stdlib.h>
#include <string.h>

/* Whether the claim is the half hash of the other token, or, if it need not be there, is not. */
static bool hash_holds(const struct jws *token, const char *claim, const char *other, bool needed,
                       struct error *error) {
    if (other == NULL || (!needed && !json_has(token->payload, claim)))
        return true;
    char *hash = jws_half_hash(token, other);
    bool same = json_is(token->payload, claim, hash);
    free(hash);
    return same || fail(error, STATUS_PROTOCOL, "its '%s' is of another token", claim);
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
    if (!jwt_audience_has(payload, facts->client_id, &audiences))
        return fail(error, STATUS_PROTOCOL, "its 'aud' is not this client");
    if (json_has(payload, "azp") ? !json_is(payload, "azp", facts->client_id) : audiences > 1)
        return fail(error, STATUS_PROTOCOL, "its 'azp' is not this client");
    if (!jwt_times_hold(payload, facts->now, error))
        return false;
    if (json_string(payload, "sub") == NULL)
        return fail(error, STATUS_PROTOCOL, "it has no 'sub'");
    if (facts->user != NULL && !json_is(payload, "sub", facts->user))
        return fail(error, STATUS_PROTOCOL, "its 'sub' is not the user who was asked");
    if (facts->auth_req_id != NULL && (facts->is_push || json_has(payload, request_claim)) &&
        !json_is(payload, request_claim, facts->auth_req_id))
        return fail(error, STATUS_PROTOCOL, "it answers another auth_req_id");
    return hash_holds(token, "at_hash", facts->access_token, facts->is_push, error) &&
           hash_holds(token, "urn:openid:params:jwt:claim:rt_hash", facts->refresh_token,
                      facts->is_push, error);
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
