#include "sandbox/token_endpoints.h"

#include "base/clock.h"
#include "oauth/access_token.h"
#include "sandbox/grants.h"
#include "sandbox/provider.h"
#include "json/json.h"

/* The claims of an access token of ours that has not ended; invalid for any other. */
static jv claims_of(const struct sandbox *sandbox, const char *token) {
    struct access_token_facts facts = {
        .issuer = sandbox->issuer, .type = "at+jwt", .now = clock_now(), .any_binding = true};
    struct error ignored;
    jv claims;
    access_token_verify(token, sandbox->jwks, &facts, &claims, &ignored);
    return claims;
}

/* Reads the form, which must have a token. False with the reply set. */
static bool read_token(struct sandbox *sandbox, const struct sandbox_request *request, jv *form,
                       struct sandbox_reply *reply) {
    if (!provider_begin(sandbox, request, form, reply))
        return false;
    if (json_string(*form, "token") != NULL)
        return true;
    jv_free(*form);
    reply_error(reply, 400, "invalid_request", "token is missing");
    return false;
}

void token_revocation(struct sandbox *sandbox, const struct sandbox_request *request,
                      struct sandbox_reply *reply) {
    jv form;
    if (!read_token(sandbox, request, &form, reply))
        return;
    const char *token = json_string(form, "token");
    jv claims = claims_of(sandbox, token);
    grant_revoke_refresh_token(sandbox, token);
    grant_revoke_access_token(sandbox, claims);
    sandbox_tell(sandbox, "a token is revoked");
    jv_free(claims);
    jv_free(form);
    reply_json(reply, 200, jv_object()); /* also for a token that there is not (§2.2) */
}

void token_introspection(struct sandbox *sandbox, const struct sandbox_request *request,
                         struct sandbox_reply *reply) {
    jv form;
    if (!read_token(sandbox, request, &form, reply))
        return;
    const char *token = json_string(form, "token");
    jv claims = claims_of(sandbox, token), answer = jv_object();
    if (jv_is_valid(claims) && !grant_is_revoked(sandbox, claims))
        answer =
            json_set_string(json_set(jv_copy(claims), "active", jv_true()), "token_type", "Bearer");
    else
        answer =
            json_set(answer, "active", grant_token_holds(sandbox, token) ? jv_true() : jv_false());
    jv_free(claims);
    jv_free(form);
    reply_json(reply, 200, answer);
}
