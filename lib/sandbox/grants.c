#include "sandbox/grants.h"

#include "jose/digest.h"
#include "json/json.h"

static const char request_claim[] = "urn:openid:params:jwt:claim:auth_req_id";

char *grant_new_token(struct sandbox *sandbox, const struct approval *approval) {
    char *token = random_name(32);
    jv entry = json_set_string(jv_object(), "auth_req_id", approval->auth_req_id);
    sandbox->refresh_tokens = json_set(sandbox->refresh_tokens, token, entry);
    return token;
}

static bool is_ended(const struct sandbox *sandbox, jv entry) {
    const char *auth_req_id = json_string(entry, "auth_req_id");
    return auth_req_id == NULL || json_has(sandbox->revoked, auth_req_id);
}

bool grant_token_holds(const struct sandbox *sandbox, const char *token) {
    jv entry = json_get(sandbox->refresh_tokens, token);
    bool holds = jv_is_valid(entry) && !is_ended(sandbox, entry) && !json_has(entry, "used");
    jv_free(entry);
    return holds;
}

void grant_revoke_refresh_token(struct sandbox *sandbox, const char *token) {
    jv entry = json_get(sandbox->refresh_tokens, token);
    const char *auth_req_id = json_string(entry, "auth_req_id");
    if (auth_req_id != NULL)
        sandbox->revoked = json_set(sandbox->revoked, auth_req_id, jv_true());
    jv_free(entry);
}

struct approval *grant_use_token(struct sandbox *sandbox, const char *token) {
    jv entry = json_get(sandbox->refresh_tokens, token);
    const char *auth_req_id = json_string(entry, "auth_req_id");
    struct approval *approval = NULL;
    if (grant_token_holds(sandbox, token))
        approval = approval_of(sandbox, auth_req_id);
    else
        grant_revoke_refresh_token(sandbox, token);
    if (approval != NULL)
        sandbox->refresh_tokens =
            json_set(sandbox->refresh_tokens, token, json_set(jv_copy(entry), "used", jv_true()));
    jv_free(entry);
    return approval;
}

void grant_revoke_access_token(struct sandbox *sandbox, jv claims) {
    const char *id = json_string(claims, "jti");
    if (id != NULL)
        sandbox->revoked = json_set(sandbox->revoked, id, jv_true());
}

bool grant_is_revoked(const struct sandbox *sandbox, jv claims) {
    const char *id = json_string(claims, "jti");
    const char *auth_req_id = json_string(claims, request_claim);
    return (id != NULL && json_has(sandbox->revoked, id)) ||
           (auth_req_id != NULL && json_has(sandbox->revoked, auth_req_id));
}
