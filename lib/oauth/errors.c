#include "oauth/errors.h"

#include "base/status.h"

#include <stddef.h>
#include <string.h>

static const struct {
    const char *code;
    int status;
    const char *advice;
} oauth_errors[] = {
    {"access_denied", STATUS_NO, ""},
    {"expired_token", STATUS_NO, ""},
    {"invalid_client", STATUS_REFUSED,
     "check client id, secret or key, --client-auth and --assertion-audience against the "
     "provider's settings"},
    {"unauthorized_client", STATUS_REFUSED,
     "enable the CIBA grant (poll mode) for this client at the provider"},
    {"invalid_grant", STATUS_REFUSED,
     "the auth_req_id was used already (a token answer was lost), is unknown, or is another "
     "client's; ask anew"},
    {"invalid_scope", STATUS_CONFIG, "ask for scopes that the provider knows; check -s"},
    {"invalid_target", STATUS_CONFIG, "check the audience (-a) against the provider's APIs"},
    {"invalid_request", STATUS_CONFIG,
     "check user, scope, audience, and that the CIBA grant is enabled; Auth0 says so too when the "
     "user has no push device enrolled"},
    {"unknown_user_id", STATUS_CONFIG, "check the user (-u); they may not be enrolled"},
    {"expired_login_hint_token", STATUS_CONFIG, "get a new login_hint_token"},
    {"missing_user_code", STATUS_CONFIG, "this provider wants the user's code"},
    {"invalid_user_code", STATUS_CONFIG, "the user's code is wrong"},
    {"invalid_binding_message", STATUS_CONFIG,
     "the message (-m) is too long or has characters that the provider forbids"},
    {"invalid_authorization_details", STATUS_CONFIG, "check -d against the provider's types"},
    {"insufficient_scope", STATUS_REFUSED, "the provider granted less than was asked for"},
    {"insufficient_user_authentication", STATUS_REFUSED, "check --acr-values"},
    {"invalid_dpop_proof", STATUS_CONFIG, "check --dpop-key-file, and this machine's clock"},
    {"use_dpop_nonce", STATUS_CONFIG,
     "the provider wants a DPoP proof: --dpop-key-file makes one for the token, and with the "
     "question none is sent; have the provider ask for none there"},
    {"invalid_request_object", STATUS_CONFIG,
     "check --client-key-file, its kid and algorithm, and this machine's clock"},
    {"unsupported_grant_type", STATUS_CONFIG, "this provider does not offer CIBA"},
    {"server_error", STATUS_UNAVAILABLE, "try again later"},
    {"temporarily_unavailable", STATUS_UNAVAILABLE, "try again later"},
    {"too_many_requests", STATUS_UNAVAILABLE,
     "try again in a minute; Auth0 allows 5 requests a minute for one user"},
    {"transaction_failed", STATUS_UNAVAILABLE, "the provider could not finish it; ask anew"},
    /* Our own codes, not from a server. */
    {"server_unavailable", STATUS_UNAVAILABLE, "try again later"},
    {"outcome_unknown", STATUS_UNAVAILABLE, ""},
    {"misconfigured", STATUS_CONFIG, ""},
    {"invalid_lease", STATUS_INPUT, ""},
    {"invalid_message", STATUS_INPUT, ""},
    {"invalid_arguments", STATUS_INPUT, ""},
};

int oauth_error_status(const char *code) {
    for (size_t i = 0; code != NULL && i < sizeof oauth_errors / sizeof *oauth_errors; i++)
        if (strcmp(oauth_errors[i].code, code) == 0)
            return oauth_errors[i].status;
    return STATUS_PROTOCOL;
}

/* Some codes can mean anything: if the provider's description names something, that is what to
 * check. */
static const char *described_advice(const char *code, const char *words) {
    static const struct {
        const char *code, *words, *advice;
    } rows[] = {
        {"invalid_request", "expiry", "check --expiry"},
        {"invalid_request", "client_notification_token",
         "the client is registered for ping or push: --notification-dir is needed"},
        {"invalid_request", "binding_message", "check the message (-m)"},
        {"invalid_request", "authorization_details", "check -d"},
        {"invalid_request", "acr_values", "check --acr-values"},
        {"invalid_request", "user_code", "check --user-code-file"},
        {"invalid_request", "login_hint_token", "check --login-hint-token-file"},
        {"invalid_request", "id_token_hint", "check --id-token-hint-file"},
        {"invalid_request", "login_hint", "check the user (-u, --login-hint)"},
        /* Keycloak's words. */
        {"invalid_request", "Client Notification token needs",
         "the client is registered for ping: --notification-dir is needed"},
        {"invalid_request", "invalid_user",
         "there is no such user, or they are disabled; Keycloak knows users by --login-hint with "
         "their name, not by -u"},
        {"invalid_request", "User code", "this provider takes no --user-code-file"},
        {"invalid_request", "DPoP proof is missing",
         "the client's tokens are bound to a key: --dpop-key-file is needed"},
        {"invalid_grant", "not allowed OIDC CIBA Grant",
         "turn on \"OIDC CIBA Grant\" for this client at the provider"},
        {"unauthorized_client", "Invalid client credentials",
         "check client id, secret or key, --client-auth and --assertion-audience against the "
         "provider's settings"},
    };
    for (size_t i = 0; code != NULL && words != NULL && i < sizeof rows / sizeof *rows; i++)
        if (strcmp(code, rows[i].code) == 0 && strstr(words, rows[i].words) != NULL)
            return rows[i].advice;
    return NULL;
}

const char *oauth_error_advice(const char *code, const char *words) {
    const char *advice = described_advice(code, words);
    if (advice != NULL)
        return advice;
    for (size_t i = 0; code != NULL && i < sizeof oauth_errors / sizeof *oauth_errors; i++)
        if (strcmp(oauth_errors[i].code, code) == 0)
            return oauth_errors[i].advice;
    return "";
}
