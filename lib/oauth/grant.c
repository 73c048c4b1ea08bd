#include "oauth/grant.h"

#include "jose/jwt.h"
#include "oauth/authorization_details.h"
#include "json/json.h"

#include <string.h>
#include <strings.h>

/* RFC 6750 §2.1: what may follow "Bearer ". */
static bool is_bearer_syntax(const char *token) {
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/=";
    return *token != '\0' && strspn(token, allowed) == strlen(token);
}

static const char *form_fault(jv token, struct error *error) {
    const char *access_token = json_string(token, "access_token");
    const char *type = json_string(token, "token_type");
    if (access_token == NULL)
        fail(error, STATUS_INPUT, "it is approved but has no access token");
    else if (!is_bearer_syntax(access_token))
        fail(error, STATUS_INPUT, "its access token has characters that no token has");
    else if (type == NULL || (strcasecmp(type, "Bearer") != 0 && strcasecmp(type, "DPoP") != 0))
        fail(error, STATUS_INPUT, "its token is neither of the type Bearer nor DPoP");
    else
        return NULL;
    return "invalid_response";
}

/* Scopes about the ID token and the session, which an API's token need not have. */
static bool is_of_openid(const char *scope, size_t size) {
    return scope_has("openid profile email address phone offline_access", scope, size);
}

bool claim_has(jv claims, const char *name, const char *word, size_t size) {
    jv claim = json_get(claims, name);
    bool found = scope_has(json_value_string(claim), word, size);
    if (jv_get_kind(claim) == JV_KIND_ARRAY) {
        jv_array_foreach(claim, i, one) {
            const char *text = json_value_string(one);
            found =
                found || (text != NULL && strlen(text) == size && strncmp(text, word, size) == 0);
            jv_free(one);
        }
    }
    jv_free(claim);
    return found;
}

/* Whether the scope was granted: according to the answer; if it has no scope, all that was asked
 * (RFC 6749 §5.1), unless the token is a JWT that says otherwise in any claim that providers
 * use. */
static bool scope_granted(jv token, jv claims, const char *scope, size_t size) {
    if (is_of_openid(scope, size))
        return true;
    if (json_has(token, "scope"))
        return scope_has(json_string(token, "scope"), scope, size);
    if (!json_has(claims, "scope") && !json_has(claims, "scp") && !json_has(claims, "permissions"))
        return true;
    return claim_has(claims, "scope", scope, size) || claim_has(claims, "scp", scope, size) ||
           claim_has(claims, "permissions", scope, size);
}

static const char *scope_fault(jv authorization, jv token, jv claims, struct error *error) {
    const char *asked = json_string(authorization, "scope");
    while (asked != NULL && *asked != '\0') {
        size_t size = strcspn(asked, " ");
        if (size > 0 && !scope_granted(token, claims, asked, size)) {
            fail(error, STATUS_REFUSED,
                 "the provider did not grant the scope %.*s, which was asked for",
                 (int)(size < 200 ? size : 200), asked);
            return "insufficient_scope";
        }
        asked += size + strspn(asked + size, " ");
    }
    return NULL;
}

static bool is_for(jv claims, const char *api, struct error *error) {
    int count;
    return api == NULL || jwt_audience_has(claims, api, &count) ||
           fail(error, STATUS_INPUT, "its token's 'aud' is not %.300s, which was asked for", api);
}

static const char *audience_fault(jv authorization, jv claims, struct error *error) {
    if (!json_has(claims, "aud"))
        return NULL;
    bool good = is_for(claims, json_string(authorization, "audience"), error);
    jv resources = json_array(authorization, "resource");
    jv_array_foreach(resources, i, resource) {
        good = good && is_for(claims, json_value_string(resource), error);
        jv_free(resource);
    }
    jv_free(resources);
    return good ? NULL : "invalid_target";
}

static const char *details_fault(jv authorization, jv token, jv claims, struct error *error) {
    jv asked = json_array(authorization, "authorization_details");
    jv granted = json_get(token, "authorization_details");
    jv within = json_get(claims, "authorization_details");
    bool none = !jv_is_valid(granted) && !jv_is_valid(within);
    bool whole = jv_is_valid(granted); /* then the token may contain fewer, those for its API */
    bool agree = none ? jv_array_length(jv_copy(asked)) == 0
                      : (!whole || details_agree(asked, granted)) &&
                            (!jv_is_valid(within) || (whole ? details_within(asked, within)
                                                            : details_agree(asked, within)));
    jv_free(asked);
    jv_free(granted);
    jv_free(within);
    if (agree)
        return NULL;
    fail(error, STATUS_INPUT,
         none ? "the provider granted no authorization_details, and some were asked for"
              : "the token's authorization_details are not what was asked");
    return "invalid_authorization_details";
}

static const char *acr_fault(jv authorization, jv token, struct error *error) {
    const char *asked = json_string(authorization, "acr_values");
    if (asked == NULL)
        return NULL;
    const char *id_token = json_string(token, "id_token");
    jv claims = jv_invalid();
    if (id_token != NULL)
        jwt_unverified_claims(id_token, &claims);
    const char *acr = json_string(claims, "acr");
    bool good = acr != NULL && scope_has(asked, acr, strlen(acr));
    if (!good)
        fail(error, STATUS_REFUSED,
             "the user was not authenticated as asked (acr_values %.100s, but the ID token has "
             "%.100s)",
             asked, acr != NULL ? acr : "none");
    jv_free(claims);
    return good ? NULL : "insufficient_user_authentication";
}

const char *grant_fault(jv authorization, jv token, struct error *error) {
    const char *fault = form_fault(token, error);
    if (fault != NULL)
        return fault;
    jv claims;
    if (!jwt_unverified_claims(json_string(token, "access_token"), &claims)) {
        fail(error, STATUS_INPUT, "its access token is a JWT whose claims cannot be read");
        return "invalid_response";
    }
    fault = scope_fault(authorization, token, claims, error);
    if (fault == NULL)
        fault = audience_fault(authorization, claims, error);
    if (fault == NULL)
        fault = details_fault(authorization, token, claims, error);
    if (fault == NULL)
        fault = acr_fault(authorization, token, error);
    jv_free(claims);
    return fault;
}
