#include "channel/user.h"

#include "base/clock.h"
#include "base/utf8.h"
#include "oauth/access_token.h"
#include "json/json.h"

#include <string.h>

enum { USER_LIMIT = 1000 /* bytes */ };

static bool is_name(const char *user) {
    size_t size = strlen(user);
    return size > 0 && size <= USER_LIMIT && utf8_valid(user, size);
}

static char *user_of_server(const struct server_request *request, struct error *error) {
    if (request->user != NULL && is_name(request->user))
        return must_copy(request->user);
    fail(error, STATUS_REFUSED,
         "the web server names no user: it must ask for a login, and pass the user as REMOTE_USER "
         "(or a proxy a token, see --user-claim)");
    return NULL;
}

/* The claims of the token, if it is valid; invalid and an error otherwise. */
static jv verified_claims(struct channel *channel, const char *token, struct error *error) {
    const struct access_token_facts facts = {
        .issuer = channel->issuer.url, .audience = channel->audience, .now = clock_now()};
    jv claims;
    enum access_token_verdict verdict =
        access_token_verify_by(&channel->issuer, token, &facts, &claims, error);
    if (verdict != ACCESS_TOKEN_VALID && verdict != ACCESS_TOKEN_UNDECIDED)
        error->status = STATUS_REFUSED;
    return claims;
}

static char *user_of_token(struct channel *channel, const struct server_request *request,
                           struct error *error) {
    const char *token = request->access_token;
    if (token == NULL)
        token = server_request_bearer(request);
    if (token == NULL) {
        fail(
            error, STATUS_REFUSED,
            "the proxy passes no token: it must ask for a login, and pass X-Forwarded-Access-Token "
            "or Authorization: Bearer");
        return NULL;
    }
    jv claims = verified_claims(channel, token, error);
    const char *user = json_string(claims, channel->user_claim);
    char *name = user != NULL && is_name(user) ? must_copy(user) : NULL;
    if (jv_is_valid(claims) && name == NULL)
        fail(error, STATUS_REFUSED, "the proxy's token has no claim %s", channel->user_claim);
    jv_free(claims);
    return name;
}

char *channel_user(struct channel *channel, const struct server_request *request,
                   struct error *error) {
    return channel->user_claim != NULL ? user_of_token(channel, request, error)
                                       : user_of_server(request, error);
}
