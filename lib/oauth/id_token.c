#include "oauth/id_token.h"

#include "base/clock.h"
#include "jose/jwe.h"
#include "jose/jwt.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool id_token_registration_check(const struct id_token_registration *registration,
                                 struct error *error) {
    const char *algorithm = registration->algorithm;
    size_t least = 0;
    if (algorithm != NULL && !jws_algorithm_known(algorithm, &least))
        return fail(error, STATUS_USAGE, "--id-token-alg: there is no algorithm '%.40s'",
                    algorithm);
    if (least > 0 && registration->secret == NULL)
        return fail(error, STATUS_CONFIG,
                    "--id-token-alg %s needs the client's secret: set CIBA_CLIENT_SECRET or "
                    "AUTH0_CLIENT_SECRET, or --client-secret-file",
                    algorithm);
    if (least > 0 && strlen(registration->secret) < least)
        return fail(error, STATUS_CONFIG,
                    "--id-token-alg %s needs a client secret of at least %zu characters: one token "
                    "is enough to guess a shorter one; get a new secret, or have the client "
                    "registered for RS256 or ES256",
                    algorithm, least);
    return registration->decryption_key == NULL ||
           jwe_key_fits(registration->decryption_key, error);
}

char *id_token_open(const struct id_token_registration *registration, const char *token,
                    struct error *error) {
    bool wanted = registration->decryption_key != NULL;
    if (jwe_is(token) && wanted)
        return jwe_decrypt(token, registration->decryption_key, error);
    if (jwe_is(token) == wanted)
        return must_copy(token);
    fail(error, STATUS_PROTOCOL,
         wanted ? "it is not encrypted, as --id-token-key-file says that it must be"
                : "it is encrypted; --id-token-key-file names the key for it");
    return NULL;
}

/* Whether the claim is the half hash of the other token; it may be missing unless required. */
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
    if (!json_number(payload, "iat", &issued))
        return fail(error, STATUS_PROTOCOL, "it has no 'iat'");
    return facts->not_before <= 0 || issued >= facts->not_before ||
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

/* OIDC Core §3.1.3.7-7, if the metadata list the issuer's algorithms. */
static bool algorithm_offered(jv metadata, const struct jws *token, struct error *error) {
    const char *alg = json_string(token->header, "alg");
    jv offered = json_array(metadata, "id_token_signing_alg_values_supported");
    bool found =
        jv_array_length(jv_copy(offered)) == 0 || (alg != NULL && json_lists(offered, alg));
    jv_free(offered);
    return found || fail(error, STATUS_PROTOCOL,
                         "it is signed with %.20s, which the issuer does not list for ID tokens",
                         alg != NULL ? alg : "nothing");
}

/* Refuses other kinds of tokens: a logout token, for example, has similar claims. */
static bool type_fits(const struct jws *token, struct error *error) {
    const char *type = json_string(token->header, "typ");
    return !json_has(token->header, "typ") ||
           (type != NULL &&
            (strcasecmp(type, "JWT") == 0 || strcasecmp(type, "application/jwt") == 0)) ||
           fail(error, STATUS_PROTOCOL, "its 'typ' is %.40s, not JWT",
                type != NULL ? type : "none");
}

/* A token is issued only once: a temporary failure to fetch the keys, whatever a gateway answers,
 * must not lose it. */
static bool fetch_new_keys(struct issuer *issuer, struct error *error) {
    enum { TRIES = 3 };
    bool good = issuer_fetch_keys(issuer, true, error);
    for (int i = 1; !good && i < TRIES; i++) {
        clock_sleep(1);
        good = issuer_fetch_keys(issuer, true, error);
    }
    return good;
}

/* Verifies with the issuer's keys, fetched again if none fits; or with the client's secret. */
static bool signature_holds(struct issuer *issuer, const char *secret, const struct jws *token,
                            struct error *error) {
    if (jws_has_mac(token))
        return (secret != NULL && jws_verify_secret(token, secret)) ||
               fail(error, STATUS_PROTOCOL, "the signature is not by the client's secret");
    bool good = issuer_fetch_keys(issuer, false, error);
    enum jws_verdict verdict = good ? jws_verify(token, issuer->jwks, error) : JWS_INVALID;
    /* Without a kid, a new key looks like a wrong one. */
    if (verdict == JWS_NO_KEY || (verdict == JWS_INVALID && !json_names(token->header, "kid"))) {
        good = fetch_new_keys(issuer, error);
        verdict = good ? jws_verify(token, issuer->jwks, error) : JWS_INVALID;
    }
    return verdict == JWS_VALID;
}

bool id_token_verify(struct issuer *issuer, const struct id_token_registration *registration,
                     const char *token, struct id_token_facts facts, char **user,
                     struct error *error) {
    struct jws jws;
    if (!jws_parse_as(token, registration->algorithm, &jws, error))
        return false;
    facts.issuer = issuer->url;
    facts.client_id = registration->client_id;
    bool good = type_fits(&jws, error) && algorithm_offered(issuer->metadata, &jws, error) &&
                signature_holds(issuer, registration->secret, &jws, error) &&
                id_token_claims_hold(&jws, &facts, error);
    if (good && user != NULL)
        *user = must_copy(json_string(jws.payload, "sub"));
    jws_free(&jws);
    return good;
}
