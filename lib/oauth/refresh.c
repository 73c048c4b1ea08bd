#include "oauth/refresh.h"

#include "base/clock.h"
#include "base/redact.h"
#include "http/form.h"
#include "jose/jws.h"
#include "jose/jwt.h"
#include "oauth/endpoint.h"
#include "oauth/errors.h"
#include "oauth/grant.h"
#include "oauth/id_token.h"
#include "json/json.h"
#include "json/redact_json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What one answer of the provider says of a token, beside what the token says itself. */
struct sides {
    jv was, is; /* the tokens before and after */
    jv old_claims, new_claims;
};

/* The new token: members of the answer, or of the old one where they stay the same. */
static jv merged(jv token, jv body) {
    static const char *const told[] = {"access_token", "token_type", "authorization_details"};
    static const char *const kept[] = {"scope", "id_token", "refresh_token"};
    jv fresh = jv_object();
    double expires_in;
    for (size_t i = 0; i < sizeof told / sizeof *told; i++)
        if (json_has(body, told[i]))
            fresh = json_set(fresh, told[i], json_get(body, told[i]));
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (json_has(body, kept[i]) || json_has(token, kept[i]))
            fresh =
                json_set(fresh, kept[i], json_get(json_has(body, kept[i]) ? body : token, kept[i]));
    if (json_number_or_digits(body, "expires_in", &expires_in))
        fresh = json_set(fresh, "expires_at", jv_number(floor(clock_now() + expires_in)));
    return fresh;
}

/* The claims of a JWT in which providers say what it is good for. */
static const char *const scope_claims[] = {"scope", "scp", "permissions"};
enum { SCOPE_CLAIMS = sizeof scope_claims / sizeof *scope_claims };

/* Whether the token had the scope before: as the answer, the token itself, or, where neither has a
 * scope, the question says. */
static bool was_granted(const struct sides *sides, jv authorization, const char *scope,
                        size_t size) {
    bool told = json_has(sides->was, "scope") || json_has(sides->old_claims, "scope");
    bool had = scope_has(json_string(told ? sides->was : authorization, "scope"), scope, size);
    for (size_t i = 0; i < SCOPE_CLAIMS && !had; i++)
        had = claim_has(sides->old_claims, scope_claims[i], scope, size);
    return had;
}

/* Whether each of the scopes, separated by spaces, was granted before. */
static bool were_granted(const struct sides *sides, jv authorization, const char *scopes,
                         struct error *error) {
    for (const char *at = scopes; at != NULL && *at != '\0';) {
        size_t size = strcspn(at, " ");
        if (size > 0 && !was_granted(sides, authorization, at, size))
            return fail(error, STATUS_REFUSED,
                        "the new token is wider than the one that was approved: it has the "
                        "scope %.*s",
                        (int)(size < 200 ? size : 200), at);
        at += size + strspn(at + size, " ");
    }
    return true;
}

static bool is_no_wider(const struct sides *sides, jv authorization, struct error *error) {
    bool good = were_granted(sides, authorization, json_string(sides->is, "scope"), error);
    for (size_t i = 0; i < SCOPE_CLAIMS && good; i++) {
        jv claim = json_get(sides->new_claims, scope_claims[i]);
        good = were_granted(sides, authorization, json_value_string(claim), error);
        if (jv_get_kind(claim) == JV_KIND_ARRAY) {
            jv_array_foreach(claim, j, one) {
                good = good && were_granted(sides, authorization, json_value_string(one), error);
                jv_free(one);
            }
        }
        jv_free(claim);
    }
    return good;
}

/* Whether the claim is the same in both, if the first token can be read. */
static bool same_claim(const struct sides *sides, const char *name) {
    jv before = json_get(sides->old_claims, name), after = json_get(sides->new_claims, name);
    bool same =
        !jv_is_valid(sides->old_claims) || (jv_is_valid(before) == jv_is_valid(after) &&
                                            (!jv_is_valid(before) || json_equal(before, after)));
    jv_free(before);
    jv_free(after);
    return same;
}

static bool is_bound_alike(const struct client *client, const struct sides *sides,
                           struct error *error) {
    const char *before = json_string(sides->was, "token_type");
    const char *after = json_string(sides->is, "token_type");
    bool dpop = after != NULL && strcasecmp(after, "DPoP") == 0;
    if (after == NULL || before == NULL || strcasecmp(before, after) != 0 ||
        (dpop && client->dpop_key == NULL) || !same_claim(sides, "cnf"))
        return fail(error, STATUS_PROTOCOL,
                    "the new token is not bound to the key or certificate that the first was");
    return true;
}

/* OIDC Core §12.2: the same issuer, user and client, and the authentication of that time. */
static bool id_token_holds(struct client *client, jv authorization, jv token, jv *body,
                           struct error *error) {
    const char *text = json_string(*body, "id_token");
    const char *user = json_string(authorization, "approved_by");
    if (!json_has(*body, "id_token"))
        return true;
    char *opened = text != NULL ? id_token_open(&client->id_tokens, text, error) : NULL;
    if (opened == NULL)
        return text != NULL || fail(error, STATUS_PROTOCOL, "it is not text");
    struct id_token_facts facts = {.user = user != NULL ? user : json_string(authorization, "user"),
                                   .auth_req_id = json_string(authorization, "auth_req_id"),
                                   .access_token = json_string(*body, "access_token"),
                                   .now = clock_now()};
    bool good = id_token_verify(&client->issuer, &client->id_tokens, opened, facts, NULL, error);
    struct sides sides = {.was = jv_invalid(), .is = jv_invalid(), .old_claims = jv_invalid()};
    const char *first = json_string(token, "id_token");
    if (first != NULL)
        jwt_unverified_claims(first, &sides.old_claims);
    jwt_unverified_claims(opened, &sides.new_claims);
    if (good && json_has(sides.old_claims, "auth_time") &&
        json_has(sides.new_claims, "auth_time") && !same_claim(&sides, "auth_time"))
        good = fail(error, STATUS_PROTOCOL, "its 'auth_time' is of another authentication");
    if (good && first != NULL && !same_claim(&sides, "sub"))
        good = fail(error, STATUS_PROTOCOL, "its 'sub' is another user");
    jv_free(sides.old_claims);
    jv_free(sides.new_claims);
    *body = json_set_string(*body, "id_token", opened);
    free(opened);
    return good;
}

static bool form_holds(jv body, struct error *error) {
    double expires_in;
    const char *access_token = json_string(body, "access_token");
    if (access_token == NULL || *access_token == '\0' || json_string(body, "token_type") == NULL)
        return fail(error, STATUS_PROTOCOL, "the answer has no access_token or token_type");
    if (json_has(body, "refresh_token") && json_string(body, "refresh_token") == NULL)
        return fail(error, STATUS_PROTOCOL, "the answer's refresh_token is not text");
    return !json_has(body, "expires_in") ||
           json_number_or_digits(body, "expires_in", &expires_in) ||
           fail(error, STATUS_PROTOCOL, "the answer's expires_in is no number");
}

/* Whether the new token may stand in for the first. */
static bool stands_in(struct client *client, jv authorization, const struct sides *sides,
                      struct error *error) {
    if (!same_claim(sides, "iss") || !same_claim(sides, "sub"))
        return fail(error, STATUS_PROTOCOL, "the new token is another user's ('iss', 'sub')");
    if (!is_bound_alike(client, sides, error) || !is_no_wider(sides, authorization, error))
        return false;
    return grant_fault(authorization, sides->is, error) == NULL;
}

/* Whether the claims say which scopes a token has. */
static bool says_scopes(jv claims) {
    bool says = false;
    for (size_t i = 0; i < SCOPE_CLAIMS; i++)
        says = says || json_has(claims, scope_claims[i]);
    return says;
}

/* The token of a good answer; invalid and an error. Takes the body. */
static jv read_token(struct client *client, jv authorization, jv token, jv body,
                     struct error *error) {
    struct error why;
    struct sides sides = {.was = token, .is = jv_invalid()};
    bool good = form_holds(body, error);
    if (good && !id_token_holds(client, authorization, token, &body, &why))
        good = fail(error, why.status, "the new ID token does not hold: %s", why.text);
    if (good) {
        sides.is = merged(token, body);
        jwt_unverified_claims(json_string(token, "access_token"), &sides.old_claims);
        jwt_unverified_claims(json_string(sides.is, "access_token"), &sides.new_claims);
        if (!json_has(body, "scope") && says_scopes(sides.new_claims))
            sides.is = json_delete(sides.is, "scope");
        good = stands_in(client, authorization, &sides, error);
        jv_free(sides.old_claims);
        jv_free(sides.new_claims);
    }
    jv_free(body);
    if (good)
        return sides.is;
    redact_know_token(sides.is);
    redact_text(error->text);
    redact_forget_token(sides.is);
    jv_free(sides.is);
    return jv_invalid();
}

/* What an error answer means for the refresh token. */
static enum refresh_outcome read_error(const struct http_answer *answer, jv body,
                                       struct error *error) {
    char words[400];
    const char *code = json_string(body, "error");
    endpoint_words(answer, body, words);
    if (code != NULL && strcmp(code, "invalid_grant") == 0) {
        fail(error, STATUS_NO,
             "its access token has ended, and the provider does not refresh it any more (%s); ask "
             "the user again",
             words);
        return REFRESH_REFUSED;
    }
    bool is_client = code != NULL && strcmp(code, "unauthorized_client") == 0;
    const char *advice = is_client ? "enable the grant refresh_token for this client"
                                   : oauth_error_advice(code, NULL);
    fail(error, code != NULL ? oauth_error_status(code) : STATUS_PROTOCOL,
         "its access token has ended, and refreshing it failed: %s%s%s", words,
         *advice != '\0' ? "; " : "", advice);
    return REFRESH_FAILED;
}

/* Has the keys for a new ID token at hand: without them it would be lost, and the refresh token
 * used up. */
static bool prepare(struct client *client, jv token, struct error *error) {
    size_t mac_secret = 0;
    if (!json_has(token, "id_token"))
        return true;
    if (client->id_tokens.algorithm != NULL)
        jws_algorithm_known(client->id_tokens.algorithm, &mac_secret);
    return mac_secret > 0 ||
           (client_discover(client, error) && issuer_fetch_keys(&client->issuer, false, error));
}

static bool ask(struct client *client, jv token, struct http_answer *answer, struct error *error) {
    if (!prepare(client, token, error))
        return false;
    char *form = form_add(NULL, "grant_type", "refresh_token");
    form = form_add(form, "refresh_token", json_string(token, "refresh_token"));
    return endpoint_post(client, "token_endpoint", form, true, answer, error);
}

enum refresh_outcome token_refresh(struct client *client, jv authorization, jv token, jv *fresh,
                                   struct error *error) {
    struct http_answer answer;
    struct error why;
    *fresh = jv_invalid();
    if (!ask(client, token, &answer, &why)) {
        fail(error, why.status, "its access token has ended, and refreshing it failed: %s",
             why.text);
        return REFRESH_FAILED;
    }
    enum refresh_outcome outcome = REFRESHED;
    jv body = endpoint_object(&answer);
    if (answer.status != 200 || !jv_is_valid(body)) {
        outcome = read_error(&answer, body, error);
        jv_free(body);
    } else {
        *fresh = read_token(client, authorization, token, body, &why);
        if (!jv_is_valid(*fresh)) {
            fail(error, why.status == STATUS_INPUT ? STATUS_PROTOCOL : why.status,
                 "its access token was refreshed, but not as it was approved: %s", why.text);
            outcome = REFRESH_REFUSED;
        }
    }
    http_answer_free(&answer);
    return outcome;
}
