/* A strict OpenID provider for CIBA in poll mode: discovery, /bc-authorize and /oauth/token. */
#include "sandbox.h"

#include "clock.h"
#include "digest.h"
#include "json.h"
#include "jwk.h"
#include "jws.h"
#include "jwt.h"
#include "utf8.h"

#include <math.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { DEFAULT_EXPIRY = 300, EXPIRY_LIMIT = 86400, TOKEN_SECONDS = 3600, MESSAGE_LIMIT = 256 };

static const char grant_type[] = "urn:openid:params:grant-type:ciba";

bool provider_start(struct sandbox *sandbox) {
    struct error error;
    sandbox->key = EVP_RSA_gen(2048);
    jv jwk = sandbox->key != NULL ? jwk_of_key(sandbox->key, &error) : jv_invalid();
    if (!jv_is_valid(jwk))
        return false;
    char *thumbprint = jwk_thumbprint(jwk);
    jwk = json_set_string(json_set_string(jwk, "kid", thumbprint), "use", "sig");
    free(thumbprint);
    sandbox->jwks = json_set(jv_object(), "keys", JV_ARRAY(json_set_string(jwk, "alg", "RS256")));
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
    metadata = json_set(metadata, "grant_types_supported", JV_ARRAY(jv_string(grant_type)));
    metadata =
        json_set(metadata, "id_token_signing_alg_values_supported", JV_ARRAY(jv_string("RS256")));
    metadata = json_set(metadata, "subject_types_supported", JV_ARRAY(jv_string("public")));
    metadata = json_set(metadata, "backchannel_user_code_parameter_supported", jv_false());
    reply_json(reply, 200, metadata);
}

/* Whether `credentials`, the base64 of a Basic header, are the client's, each form-encoded as RFC
 * 6749 §2.3.1 has it. The sandbox's own id and secret need no encoding. */
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
    return good;
}

/* Client authentication by exactly one of the methods. Sets the reply where it fails. */
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

/* Reads the form and authenticates the client: the beginning of both endpoints. */
static bool begin(struct sandbox *sandbox, const struct sandbox_request *request, jv *form,
                  struct sandbox_reply *reply) {
    if (!form_parse(request, form)) {
        reply_error(reply, 400, "invalid_request",
                    "not an application/x-www-form-urlencoded body with each parameter once");
        return false;
    }
    if (authenticate(sandbox, request, *form, reply))
        return true;
    jv_free(*form);
    return false;
}

/* CIBA Core §7.2: exactly one hint, and it must tell who. */
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

/* The error code of a request that is not as CIBA Core §7.1 has it; NULL if it is. */
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

/* The parameters, from the form or the signed request. False, with the reply set, if they are not
 * as they must be. */
/* Where the approvals whose auth_req_id has the same hash (FNV-1a) begin. */
static struct approval **slot_of(struct sandbox *sandbox, const char *auth_req_id) {
    unsigned hash = 2166136261;
    for (; *auth_req_id != '\0'; auth_req_id++)
        hash = (hash ^ (unsigned char)*auth_req_id) * 16777619;
    return &sandbox->by_name[hash % (sizeof sandbox->by_name / sizeof *sandbox->by_name)];
}

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
    if (!begin(sandbox, request, &form, reply) || !read_parameters(sandbox, &form, reply))
        return;
    json_number_or_digits(form, "requested_expiry", &expiry);
    struct approval *approval = must_alloc(sizeof *approval);
    *approval = (struct approval){.next = sandbox->approvals,
                                  .auth_req_id = random_name(24),
                                  .id = random_name(12),
                                  .asked = form,
                                  .asked_at = clock_now(),
                                  .expires_at = clock_now() + expiry,
                                  .interval = sandbox->interval};
    sandbox->approvals = approval;
    struct approval **slot = slot_of(sandbox, approval->auth_req_id);
    approval->next_of_name = *slot;
    *slot = approval;
    sandbox_tell(sandbox, "asks %s: %s", sandbox->user, approval_message(approval));
    if (sandbox->notice >= 0 && write(sandbox->notice, "", 1) < 0)
        complain(NULL, "the terminal is not told of a request");
    jv body = json_set_string(jv_object(), "auth_req_id", approval->auth_req_id);
    body = json_set(body, "expires_in", jv_number(expiry));
    reply_json(reply, 200, json_set(body, "interval", jv_number(approval->interval)));
}

const char *approval_message(const struct approval *approval) {
    const char *message = json_string(approval->asked, "binding_message");
    return message != NULL ? message : "";
}

bool approval_decide(struct sandbox *sandbox, struct approval *approval, bool approve) {
    if (approval->state != WAITING || clock_now() >= approval->expires_at)
        return false;
    approval->state = approve ? APPROVED : DENIED;
    sandbox_tell(sandbox, "%s %s: %s", sandbox->user, approve ? "approves" : "denies",
                 approval_message(approval));
    return true;
}

void approval_refresh(struct sandbox *sandbox, struct approval *approval) {
    bool decides = sandbox->mode == APPROVE_YES || sandbox->mode == APPROVE_NO;
    if (decides && clock_now() >= approval->asked_at + sandbox->delay)
        approval_decide(sandbox, approval, sandbox->mode == APPROVE_YES);
}

/* The claims that both tokens have. */
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
    char *token = jws_sign(header, claims, "RS256", sandbox->key, &error);
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
    struct jws jws; /* of the algorithm that the ID token will have */
    struct error error;
    char *hash = jws_parse(access, &jws, &error) ? jws_half_hash(&jws, access) : NULL;
    jv claims = json_set_string(common_claims(sandbox, approval), "aud", sandbox->client_id);
    claims = json_set(claims, "auth_time", jv_number(floor(clock_now())));
    claims = json_set_string(claims, "at_hash", hash);
    free(hash);
    jws_free(&jws);
    return sign(sandbox, claims, "JWT");
}

static void issue_tokens(const struct sandbox *sandbox, struct approval *approval,
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

void provider_token(struct sandbox *sandbox, const struct sandbox_request *request,
                    struct sandbox_reply *reply) {
    jv form;
    if (!begin(sandbox, request, &form, reply))
        return;
    const char *id = json_string(form, "auth_req_id");
    struct approval *approval = id == NULL ? NULL : *slot_of(sandbox, id);
    while (approval != NULL && strcmp(approval->auth_req_id, id) != 0)
        approval = approval->next_of_name;
    if (!json_is(form, "grant_type", grant_type))
        reply_error(reply, 400, "unsupported_grant_type", "only CIBA is offered");
    else if (id == NULL)
        reply_error(reply, 400, "invalid_request", "auth_req_id is missing");
    else if (approval == NULL)
        reply_error(reply, 400, "invalid_grant", "no such auth_req_id");
    else
        answer_poll(sandbox, approval, reply);
    jv_free(form);
}
