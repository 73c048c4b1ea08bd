#include "oauth/introspection.h"

#include "base/redact.h"
#include "http/form.h"
#include "oauth/endpoint.h"
#include "oauth/errors.h"
#include "json/json.h"

#include <string.h>
#include <strings.h>

enum { TOKEN_LIMIT = 1 << 16 /* characters */ };

/* Whether this can be an access token at all (RFC 6750 §2.1). */
static bool is_token(const char *token, struct error *error) {
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/=";
    size_t size = strspn(token, allowed);
    return (token[size] == '\0' && size > 0 && size <= TOKEN_LIMIT) ||
           fail(error, STATUS_NO, "it is too long, or has characters that no token has");
}

/* Whether the member, if it is told, says that the token is an access token. */
static bool names_kind(jv told, const char *member, const char *const kinds[]) {
    const char *kind = json_string(told, member);
    bool named = !json_names(told, member);
    for (; kind != NULL && *kinds != NULL; kinds++)
        named = named || strcasecmp(kind, *kinds) == 0;
    return named;
}

static bool is_access_token(jv told, struct error *error) {
    static const char *const types[] = {"Bearer", "DPoP", NULL};
    static const char *const uses[] = {"access_token", "access", NULL}; /* Hydra, Cognito */
    static const char *const typs[] = {"Bearer", "DPoP", "at+jwt", "application/at+jwt", NULL};
    return (names_kind(told, "token_type", types) && names_kind(told, "token_use", uses) &&
            names_kind(told, "typ", typs)) ||
           fail(error, STATUS_NO, "the issuer says that it is no access token");
}

/* Whether the issuer says that the token is active, and all that is told of it is as wanted. */
static bool is_good(jv told, const struct access_token_facts *facts, struct error *error) {
    jv active = json_get(told, "active");
    jv_kind kind = jv_get_kind(active);
    jv_free(active);
    if (kind != JV_KIND_TRUE && kind != JV_KIND_FALSE)
        return fail(error, STATUS_PROTOCOL,
                    "the issuer's answer does not say whether it is active");
    if (kind == JV_KIND_FALSE)
        return fail(error, STATUS_NO, "the issuer says that it is not active");
    if (facts->type != NULL)
        return fail(error, STATUS_NO, "it is no JWT, and has no 'typ'");
    if (!is_access_token(told, error))
        return false;
    bool good = access_token_told(told, facts, error) == ACCESS_TOKEN_VALID;
    if (!good)
        error->status = STATUS_NO;
    return good;
}

/* An answer that is no introspection, which says nothing about the token. */
static bool no_answer(const struct http_answer *answer, jv body, struct error *error) {
    char words[400];
    const char *code = json_string(body, "error");
    const char *advice = oauth_error_advice(code, NULL);
    int status = code != NULL            ? oauth_error_status(code)
                 : answer->status == 401 ? STATUS_REFUSED
                                         : STATUS_PROTOCOL;
    endpoint_words(answer, body, words);
    return fail(error, status == STATUS_NO ? STATUS_PROTOCOL : status,
                "the issuer does not tell about it: %s%s%s", words, *advice != '\0' ? "; " : "",
                advice);
}

/* As token_introspect, of a text that can be a token. */
static bool introspect(struct client *client, const char *token,
                       const struct access_token_facts *facts, jv *told, struct error *error) {
    struct http_answer answer;
    struct error why;
    char *form = form_add(form_add(NULL, "token", token), "token_type_hint", "access_token");
    if (!endpoint_post(client, "introspection_endpoint", form, false, &answer, &why))
        return fail(error, why.status, "the issuer cannot be asked about it: %s", why.text);
    jv body = endpoint_object(&answer);
    bool good = answer.status == 200 && jv_is_valid(body) ? is_good(body, facts, error)
                                                          : no_answer(&answer, body, error);
    http_answer_free(&answer);
    if (good)
        *told = body;
    else
        jv_free(body);
    return good;
}

bool token_introspect(struct client *client, const char *token,
                      const struct access_token_facts *facts, jv *told, struct error *error) {
    *told = jv_invalid();
    if (!is_token(token, error))
        return false;
    redact_know(token);
    bool good = introspect(client, token, facts, told, error);
    redact_forget(token);
    return good;
}
