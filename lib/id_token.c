#include "id_token.h"

#include "clock.h"
#include "json.h"
#include "jwt.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

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

static bool times_hold(jv payload, const struct id_token_facts *facts, struct error *error) {
    double issued;
    if (facts->now <= 0)
        return true;
    if (!jwt_times_hold(payload, facts->now, error))
        return false;
    return facts->not_before <= 0 || !json_number(payload, "iat", &issued) ||
           issued >= facts->not_before ||
           fail(
               error, STATUS_PROTOCOL,
               "it was issued before the user was asked ('iat' is %.0f s ago); is the clock right?",
               facts->now - issued);
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
    if (!times_hold(payload, facts, error))
        return false;
    if (json_string(payload, "sub") == NULL)
        return fail(error, STATUS_PROTOCOL, "it has no 'sub'");
    if (facts->user != NULL && !json_is(payload, "sub", facts->user))
        return fail(error, STATUS_PROTOCOL, "its 'sub' is not the user who was asked");
    bool named = json_has(payload, request_claim);
    if (!named && facts->must_name_request)
        return fail(error, STATUS_PROTOCOL, "it does not name the request that it answers");
    if ((named || facts->is_push) && facts->auth_req_id != NULL &&
        !json_is(payload, request_claim, facts->auth_req_id))
        return fail(error, STATUS_PROTOCOL, "it answers another auth_req_id");
    return hash_holds(token, "at_hash", facts->access_token, facts->is_push, error) &&
           hash_holds(token, "urn:openid:params:jwt:claim:rt_hash", facts->refresh_token,
                      facts->is_push, error);
}

/* OIDC Core §3.1.3.7-7, where the metadata say what the issuer signs with. */
static bool algorithm_offered(jv metadata, const struct jws *token, struct error *error) {
    const char *alg = json_string(token->header, "alg");
    jv offered = json_array(metadata, "id_token_signing_alg_values_supported");
    bool found = jv_array_length(jv_copy(offered)) == 0;
    jv_array_foreach(offered, i, one) {
        const char *name = json_value_string(one);
        found = found || (name != NULL && alg != NULL && strcmp(name, alg) == 0);
        jv_free(one);
    }
    jv_free(offered);
    return found || fail(error, STATUS_PROTOCOL,
                         "it is signed with %.20s, which the issuer does not list for ID tokens",
                         alg != NULL ? alg : "nothing");
}

/* Not a token of another kind: a logout token, for one, has much the same claims. */
static bool type_fits(const struct jws *token, struct error *error) {
    const char *type = json_string(token->header, "typ");
    return !json_has(token->header, "typ") ||
           (type != NULL &&
            (strcasecmp(type, "JWT") == 0 || strcasecmp(type, "application/jwt") == 0)) ||
           fail(error, STATUS_PROTOCOL, "its 'typ' is %.40s, not JWT",
                type != NULL ? type : "none");
}

/* A token is given once: keys that cannot be had for a moment must not cost it. */
static bool fetch_new_keys(struct client *client, struct error *error) {
    enum { TRIES = 3 };
    bool good = client_fetch_keys(client, true, error);
    for (int i = 1; !good && error->status == STATUS_UNAVAILABLE && i < TRIES; i++) {
        clock_sleep(1);
        good = client_fetch_keys(client, true, error);
    }
    return good;
}

/* By the issuer's keys, fetched again if none of those at hand fits. */
static bool signature_holds(struct client *client, const struct jws *token, struct error *error) {
    bool good = client_fetch_keys(client, false, error);
    enum jws_verdict verdict = good ? jws_verify(token, client->jwks, error) : JWS_INVALID;
    /* Without a kid a new key cannot be told from a wrong one. */
    if (verdict == JWS_NO_KEY || (verdict == JWS_INVALID && !json_names(token->header, "kid"))) {
        good = fetch_new_keys(client, error);
        verdict = good ? jws_verify(token, client->jwks, error) : JWS_INVALID;
    }
    return verdict == JWS_VALID;
}

bool id_token_verify(struct client *client, const char *token, struct id_token_facts facts,
                     char **user, struct error *error) {
    struct jws jws;
    if (!jws_parse(token, &jws, error))
        return false;
    facts.issuer = client->issuer;
    facts.client_id = client->id;
    bool good = type_fits(&jws, error) && algorithm_offered(client->metadata, &jws, error) &&
                signature_holds(client, &jws, error) && id_token_claims_hold(&jws, &facts, error);
    if (good && user != NULL)
        *user = must_copy(json_string(jws.payload, "sub"));
    jws_free(&jws);
    return good;
}
