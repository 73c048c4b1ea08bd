#include "sandbox/provider.h"

#include "base/clock.h"
#include "base/utf8.h"
#include "jose/digest.h"
#include "jose/jwk.h"
#include "jose/jws.h"
#include "jose/jwt.h"
#include "sandbox/approvals.h"
#include "sandbox/client_jwt.h"
#include "sandbox/form.h"
#include "sandbox/grants.h"
#include "json/json.h"

#include <math.h>
#include <openssl/ec.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { DEFAULT_EXPIRY = 300, EXPIRY_LIMIT = 86400, MESSAGE_LIMIT = 256, TOKEN_SECONDS = 3600 };

static const char grant_type[] = "urn:openid:params:grant-type:ciba";

bool provider_start(struct sandbox *sandbox) {
    struct error error;
    sandbox->key = EVP_EC_gen("P-256"); // made in no time, which an RSA key is not
    jv jwk = sandbox->key != NULL ? jwk_of_key(sandbox->key, &error) : jv_invalid();
    if (!jv_is_valid(jwk))
        return false;
    char *thumbprint = jwk_thumbprint(jwk);
    jwk = json_set_string(json_set_string(jwk, "kid", thumbprint), "use", "sig");
    free(thumbprint);
    sandbox->jwks = json_set(jv_object(), "keys", JV_ARRAY(json_set_string(jwk, "alg", "ES256")));
    return true;
}

static jv set_url(jv object, const char *name, const struct sandbox *sandbox, const char *path) {
    char *url = must_format("%s%s", sandbox->origin, path);
    object = json_set_string(object, name, url);
    free(url);
    return object;
}

void provider_metadata(struct sandbox *sandbox, struct sandbox_reply *reply) {
    jv metadata = json_set_string(jv_object(), "issuer", sandbox->issuer);
    metadata = set_url(metadata, "token_endpoint", sandbox, "/oauth/token");
    metadata = set_url(metadata, "jwks_uri", sandbox, "/jwks");
    metadata = set_url(metadata, "revocation_endpoint", sandbox, "/oauth/revoke");
    metadata = set_url(metadata, "introspection_endpoint", sandbox, "/oauth/introspect");
    metadata = set_url(metadata, "backchannel_authentication_endpoint", sandbox, "/bc-authorize");
    jv modes = JV_ARRAY(jv_string("poll"));
    jv methods = JV_ARRAY(jv_string("client_secret_basic"), jv_string("client_secret_post"));
    if (sandbox->notify_url != NULL)
        modes = jv_array_append(modes, jv_string("ping"));
    if (jv_is_valid(sandbox->client_jwks)) {
        methods = jv_array_append(methods, jv_string("private_key_jwt"));
        metadata =
            json_set(metadata, "backchannel_authentication_request_signing_alg_values_supported",
                     JV_ARRAY(jv_string("RS256"), jv_string("PS256"), jv_string("ES256"),
                              jv_string("EdDSA")));
    }
    metadata = json_set(metadata, "backchannel_token_delivery_modes_supported", modes);
    metadata = json_set(metadata, "token_endpoint_auth_methods_supported", methods);
    metadata = json_set(metadata, "grant_types_supported",
                        JV_ARRAY(jv_string(grant_type), jv_string("refresh_token")));
    // OpenID Connect Discovery 1.0 §3: RS256 must be among them.
    metadata = json_set(metadata, "id_token_signing_alg_values_supported",
                        JV_ARRAY(jv_string("ES256"), jv_string("RS256")));
    metadata = json_set(metadata, "subject_types_supported", JV_ARRAY(jv_string("public")));
    metadata = json_set(metadata, "backchannel_user_code_parameter_supported", jv_false());
    reply_json(reply, 200, metadata);
}

/* Whether `credentials`, the base64 of a Basic header, are the client's, each form-encoded (RFC
 * 6749 §2.3.1). The sandbox's own id and secret need no encoding. */
static bool basic_matches(const struct sandbox *sandbox, const char *credentials) {
    char *pair = must_format("%s:%s", sandbox->client_id, sandbox->client_secret);
    char *expected = base64_encode(pair, strlen(pair));
    bool same = same_secret(expected, credentials);
    free(pair);
    free(expected);
    return same;
}

/* RFC 7523 §2.2 and §3: iss and sub are the client. */
static bool assertion_holds(struct sandbox *sandbox, jv form) {
    struct error ignored;
    jv claims = jv_invalid();
    bool good =
        json_is(form, "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer") &&
        client_jwt_holds(sandbox, json_string(form, "client_assertion"), &claims, &ignored) &&
        json_is(claims, "sub", sandbox->client_id);
    jv_free(claims);
    return good ||
           (sandbox->assertion_key != NULL && client_assertion_holds(sandbox, form, &ignored));
}

/* Client authentication by exactly one of the methods. Sets the reply on failure. */
static bool authenticate(struct sandbox *sandbox, const struct sandbox_request *request, jv form,
                         struct sandbox_reply *reply) {
    const char *id = json_string(form, "client_id"), *secret = json_string(form, "client_secret");
    const char *header = request->authorization;
    bool basic = header != NULL && strncasecmp(header, "Basic ", 6) == 0;
    bool assertion = json_string(form, "client_assertion") != NULL;
    if (basic + assertion + (secret != NULL) > 1) {
        reply_error(reply, 400, "invalid_request", "two client authentications in one request");
        return false;
    }
    bool good = basic       ? basic_matches(sandbox, header + 6)
                : assertion ? assertion_holds(sandbox, form)
                            : id != NULL && secret != NULL && same_secret(id, sandbox->client_id) &&
                                  same_secret(secret, sandbox->client_secret);
    if (!good) {
        reply_error(reply, 401, "invalid_client", "client authentication failed");
        reply->headers =
            json_set_string(reply->headers, "WWW-Authenticate", "Basic realm=\"sandbox\"");
    }
    return good;
}

bool provider_begin(struct sandbox *sandbox, const struct sandbox_request *request, jv *form,
                    struct sandbox_reply *reply) {
    if (!sandbox_form(request, form)) {
        reply_error(reply, 400, "invalid_request",
                    "not an application/x-www-form-urlencoded body with each parameter once");
        return false;
    }
    if (authenticate(sandbox, request, *form, reply))
        return true;
    jv_free(*form);
    return false;
}

/* CIBA Core §7.2: exactly one hint, which must identify the user. */
static const char *check_hint(const struct sandbox *sandbox, jv form, const char **why) {
    int hints = json_has(form, "login_hint") + json_has(form, "login_hint_token") +
                json_has(form, "id_token_hint");
    const char *hint = json_string(form, "login_hint"), *code = NULL;
    struct error error;
    jv parsed = jv_invalid();
    *why = "exactly one of login_hint, login_hint_token and id_token_hint is needed";
    if (hints != 1)
        return "invalid_request";
    *why = "only login_hint, as JSON with format iss_sub, is understood here";
    if (hint == NULL || !json_parse(hint, strlen(hint), &parsed, &error) ||
        !json_is(parsed, "format", "iss_sub"))
        code = "invalid_request";
    else if (!json_is(parsed, "iss", sandbox->issuer)) {
        code = "invalid_request";
        *why = "the issuer in login_hint is not this one";
    } else if (!json_is(parsed, "sub", sandbox->user)) {
        code = "unknown_user_id";
        *why = "no such user";
    }
    jv_free(parsed);
    return code;
}

static bool message_allowed(const char *message) {
    size_t size = strlen(message), length;
    uint32_t character;
    if (size == 0 || size > MESSAGE_LIMIT)
        return false;
    for (size_t i = 0; i < size; i += length)
        if ((length = utf8_decode(message + i, size - i, &character)) == 0 ||
            !utf8_plain(character))
            return false;
    return true;
}

/* The error code for a request that violates CIBA Core §7.1; NULL if it is valid. */
static const char *check_request(const struct sandbox *sandbox, jv form, const char **why) {
    double expiry;
    jv details;
    struct error error;
    const char *message = json_string(form, "binding_message");
    const char *text = json_string(form, "authorization_details");
    const char *code = check_hint(sandbox, form, why);
    if (code != NULL)
        return code;
    *why = "scope must have openid";
    if (!scope_has(json_string(form, "scope"), "openid", strlen("openid")))
        return "invalid_scope";
    *why = "binding_message must be 1 to 256 plain characters";
    if (message == NULL || !message_allowed(message))
        return "invalid_binding_message";
    *why = "requested_expiry must be a positive number of seconds, at most a day";
    if (json_has(form, "requested_expiry") &&
        (!json_number_or_digits(form, "requested_expiry", &expiry) || expiry < 1 ||
         expiry > EXPIRY_LIMIT))
        return "invalid_request";
    *why = "authorization_details must be a JSON array of objects with a type";
    if (text != NULL) {
        bool good = json_parse(text, strlen(text), &details, &error) &&
                    jv_get_kind(details) == JV_KIND_ARRAY;
        if (good) {
            jv_array_foreach(details, i, detail) {
                good = good && json_string(detail, "type") != NULL;
                jv_free(detail);
            }
        }
        jv_free(details);
        if (!good)
            return "invalid_authorization_details";
    }
    *why = "this client is notified: client_notification_token must be 22 to 1024 characters";
    const char *token = json_string(form, "client_notification_token");
    if (sandbox->notify_url != NULL &&
        (token == NULL || strlen(token) < 22 || strlen(token) > 1024))
        return "invalid_request";
    *why = "unknown audience";
    return json_has(form, "audience") && !json_is(form, "audience", sandbox->audience)
               ? "invalid_target"
               : NULL;
}

/* The parameters, from the form or the signed request. False, with the reply set, if they are
 * invalid. */
static bool read_parameters(struct sandbox *sandbox, jv *form, struct sandbox_reply *reply) {
    struct error error;
    const char *why, *code;
    if (json_has(*form, "request")) {
        *form = signed_request_form(sandbox, *form, &error);
        if (!jv_is_valid(*form)) {
            reply_error(reply, 400, "invalid_request_object", error.text);
            return false;
        }
    }
    if ((code = check_request(sandbox, *form, &why)) == NULL)
        return true;
    reply_error(reply, 400, code, why);
    jv_free(*form);
    return false;
}

void provider_authorize(struct sandbox *sandbox, const struct sandbox_request *request,
                        struct sandbox_reply *reply) {
    jv form;
    double expiry = DEFAULT_EXPIRY;
    if (!provider_begin(sandbox, request, &form, reply) || !read_parameters(sandbox, &form, reply))
        return;
    json_number_or_digits(form, "requested_expiry", &expiry);
    struct approval *approval = approval_new(sandbox, form, expiry);
    jv body = json_set_string(jv_object(), "auth_req_id", approval->auth_req_id);
    body = json_set(body, "expires_in", jv_number(expiry));
    reply_json(reply, 200, json_set(body, "interval", jv_number(approval->interval)));
}

/* The claims of both tokens. */
static jv common_claims(const struct sandbox *sandbox, const struct approval *approval) {
    double now = floor(clock_now());
    jv claims = json_set_string(jv_object(), "iss", sandbox->issuer);
    claims = json_set_string(claims, "sub", sandbox->user);
    claims = json_set(claims, "iat", jv_number(now));
    claims = json_set(claims, "exp", jv_number(now + TOKEN_SECONDS));
    return json_set_string(claims, "urn:openid:params:jwt:claim:auth_req_id",
                           approval->auth_req_id);
}

/* Signs the claims, which are taken; the caller frees. */
static char *sign(const struct sandbox *sandbox, jv claims, const char *type) {
    struct error error;
    jv keys = json_get(sandbox->jwks, "keys"), jwk = jv_array_get(keys, 0);
    jv header = json_set_string(jv_object(), "typ", type);
    header = json_set_string(header, "kid", json_string(jwk, "kid"));
    char *token = jws_sign(header, claims, "ES256", sandbox->key, &error);
    jv_free(jwk);
    jv_free(claims);
    return token;
}

static jv asked_details(const struct approval *approval) {
    const char *text = json_string(approval->asked, "authorization_details");
    return text != NULL ? jv_parse(text) : jv_invalid();
}

static char *access_token(const struct sandbox *sandbox, const struct approval *approval) {
    jv claims = common_claims(sandbox, approval), details = asked_details(approval);
    char *id = random_name(16);
    claims = json_set_string(claims, "aud", sandbox->audience);
    claims = json_set_string(claims, "client_id", sandbox->client_id);
    claims = json_set_string(claims, "scope", json_string(approval->asked, "scope"));
    claims = json_set_string(claims, "jti", id);
    if (jv_is_valid(details))
        claims = json_set(claims, "authorization_details", details);
    else
        jv_free(details);
    free(id);
    return sign(sandbox, claims, "at+jwt");
}

static char *id_token(const struct sandbox *sandbox, const struct approval *approval,
                      const char *access) {
    struct jws jws; /* with the ID token's algorithm */
    struct error error;
    char *hash = jws_parse(access, &jws, &error) ? jws_half_hash(&jws, access) : NULL;
    jv claims = json_set_string(common_claims(sandbox, approval), "aud", sandbox->client_id);
    claims = json_set(claims, "auth_time", jv_number(floor(approval->decided_at)));
    claims = json_set_string(claims, "at_hash", hash);
    free(hash);
    jws_free(&jws);
    return sign(sandbox, claims, "JWT");
}

static void issue_tokens(struct sandbox *sandbox, struct approval *approval,
                         struct sandbox_reply *reply) {
    char *access = access_token(sandbox, approval), *identity = id_token(sandbox, approval, access);
    jv details = asked_details(approval);
    jv body = json_set_string(jv_object(), "access_token", access);
    body = json_set_string(json_set_string(body, "token_type", "Bearer"), "id_token", identity);
    body = json_set(body, "expires_in", jv_number(TOKEN_SECONDS));
    body = json_set_string(body, "scope", json_string(approval->asked, "scope"));
    if (jv_is_valid(details))
        body = json_set(body, "authorization_details", details);
    else
        jv_free(details);
    if (scope_has(json_string(approval->asked, "scope"), "offline_access", 14)) {
        char *refresh_token = grant_new_token(sandbox, approval);
        body = json_set_string(body, "refresh_token", refresh_token);
        free(refresh_token);
    }
    approval->state = USED;
    free(access);
    free(identity);
    reply_json(reply, 200, body);
}

static void answer_poll(struct sandbox *sandbox, struct approval *approval,
                        struct sandbox_reply *reply) {
    double now = clock_now();
    approval_refresh(sandbox, approval);
    bool too_soon =
        approval->last_answer_at > 0 && now - approval->last_answer_at < approval->interval;
    approval->last_answer_at = now;
    if (approval->state == USED) {
        reply_error(reply, 400, "invalid_grant", "this auth_req_id has been used");
    } else if (approval->state == DENIED) {
        reply_error(reply, 400, "access_denied", "the user denied the request");
    } else if (too_soon) {
        approval->interval += 5;
        reply_error(reply, 400, "slow_down", "polled sooner than the interval allows");
    } else if (approval->state == APPROVED) {
        issue_tokens(sandbox, approval, reply);
    } else if (now >= approval->expires_at) {
        reply_error(reply, 400, "expired_token", "the user did not answer in time");
    } else {
        reply_error(reply, 400, "authorization_pending", "the user has not decided yet");
    }
}

static void answer_refresh(struct sandbox *sandbox, jv form, struct sandbox_reply *reply) {
    const char *token = json_string(form, "refresh_token");
    struct approval *approval = token != NULL ? grant_use_token(sandbox, token) : NULL;
    if (token == NULL)
        reply_error(reply, 400, "invalid_request", "refresh_token is missing");
    else if (approval == NULL)
        reply_error(reply, 400, "invalid_grant", "no such refresh_token, or it was used");
    else
        issue_tokens(sandbox, approval, reply);
}

void provider_token(struct sandbox *sandbox, const struct sandbox_request *request,
                    struct sandbox_reply *reply) {
    jv form;
    if (!provider_begin(sandbox, request, &form, reply))
        return;
    const char *id = json_string(form, "auth_req_id");
    struct approval *approval = id == NULL ? NULL : approval_of(sandbox, id);
    if (json_is(form, "grant_type", "refresh_token"))
        answer_refresh(sandbox, form, reply);
    else if (!json_is(form, "grant_type", grant_type))
        reply_error(reply, 400, "unsupported_grant_type", "only CIBA and refreshing are offered");
    else if (id == NULL)
        reply_error(reply, 400, "invalid_request", "auth_req_id is missing");
    else if (approval == NULL)
        reply_error(reply, 400, "invalid_grant", "no such auth_req_id");
    else
        answer_poll(sandbox, approval, reply);
    jv_free(form);
}
