#include "ciba/question_settings.h"

#include "system/settings.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>

/* Exactly one hint identifies the user (CIBA Core §7.1). */
static bool choose_hint(struct ciba_question *question, const struct question_settings *settings,
                        struct error *error) {
    int hints = (settings->user != NULL) + (settings->login_hint != NULL) +
                (settings->login_hint_token_file != NULL) + (settings->id_token_hint_file != NULL);
    if (hints > 1)
        return fail(error, STATUS_USAGE,
                    "only one of -u, --login-hint, --login-hint-token-file and "
                    "--id-token-hint-file can tell who is asked");
    question->login_hint = settings->login_hint;
    if (hints == 0 || settings->user != NULL)
        question->user = settings_get(settings->user, "CIBA_USER", NULL);
    if (hints == 0 && question->user == NULL)
        return fail(error, STATUS_CONFIG, "no user: set CIBA_USER, or -u");
    return (settings->login_hint_token_file == NULL ||
            settings_secret(&question->login_hint_token, error, settings->login_hint_token_file,
                            NULL)) &&
           (settings->id_token_hint_file == NULL ||
            settings_secret(&question->id_token_hint, error, settings->id_token_hint_file, NULL));
}

/* RFC 8707 §2: an absolute URI without a fragment. */
static bool is_resource(const char *uri) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    static const char scheme[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+.-";
    size_t size = strspn(uri, scheme);
    bool good =
        *uri != '\0' && strchr(letters, *uri) != NULL && uri[size] == ':' && uri[size + 1] != '\0';
    for (const char *c = uri; good && *c != '\0'; c++)
        good = *c > ' ' && *c < 127 && strchr("#\"<>\\^`{|}", *c) == NULL;
    return good;
}

static bool take_resources(struct ciba_question *question, const struct option_list *resources,
                           struct error *error) {
    question->resources = jv_array();
    for (size_t i = 0; i < resources->count; i++) {
        if (!is_resource(resources->items[i]))
            return fail(error, STATUS_USAGE,
                        "--resource: '%.200s' is not an absolute URI without a fragment",
                        resources->items[i]);
        question->resources = jv_array_append(question->resources, jv_string(resources->items[i]));
    }
    return true;
}

/* Takes one --param, unless there is an option for it or it is the client's. */
static bool take_parameter(struct ciba_question *question, const char *text, struct error *error) {
    static const char *const taken[] = {"scope",
                                        "audience",
                                        "binding_message",
                                        "login_hint",
                                        "id_token_hint",
                                        "login_hint_token",
                                        "acr_values",
                                        "user_code",
                                        "resource",
                                        "requested_expiry",
                                        "authorization_details",
                                        "client_notification_token",
                                        "request",
                                        "client_id",
                                        "client_secret",
                                        "client_assertion",
                                        "iss",
                                        "aud",
                                        "exp",
                                        "client_assertion_type",
                                        "iat",
                                        "nbf",
                                        "jti"};

    const char *equals = strchr(text, '=');
    if (equals == NULL || equals == text)
        return fail(error, STATUS_USAGE, "--param: '%.*s' is not NAME=VALUE",
                    (int)strcspn(text, "="), text);
    char *name = must_format("%.*s", (int)(equals - text), text);
    const char *ours = NULL;
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        if (strcmp(taken[i], name) == 0)
            ours = taken[i];
    if (ours == NULL)
        question->more = json_set_string(question->more, name, equals + 1);
    free(name);
    return ours == NULL ||
           fail(error, STATUS_USAGE, "--param: '%s' is not for a parameter of CIBA's", ours);
}

bool question_take_parameters(struct ciba_question *question,
                              const struct question_settings *settings, struct error *error) {
    bool good = take_resources(question, &settings->resources, error);
    question->more = jv_object();
    for (size_t i = 0; good && i < settings->parameters.count; i++)
        good = take_parameter(question, settings->parameters.items[i], error);
    return good;
}

static bool choose_fit(struct ciba_question *question, const struct question_settings *settings,
                       struct error *error) {
    if (settings->fit + settings->no_fit + settings->any_message > 1)
        return fail(error, STATUS_USAGE,
                    "only one of --fit, --no-fit and --any-message says what becomes of a message "
                    "that the provider would not accept");
    if (settings->details_type != NULL && *settings->details_type == '\0')
        return fail(error, STATUS_USAGE, "--details-type: the type is empty");
    question->any_message = settings->any_message;
    question->fit =
        settings->fit || (settings->fits && !settings->no_fit && !settings->any_message);
    return true;
}

bool question_configure(struct ciba_question *question, const struct question_settings *settings,
                        const struct client *client, struct error *error) {
    if (!choose_fit(question, settings, error) || !choose_hint(question, settings, error))
        return false;
    if (settings->is_signed && client->credentials.key == NULL)
        return fail(error, STATUS_CONFIG, "--signed needs the client's key: --client-key-file");
    if (settings->user_code_file != NULL &&
        !settings_secret(&question->user_code, error, settings->user_code_file, NULL))
        return false;
    const char *scope = settings_get(settings->scope, "CIBA_SCOPE", NULL);
    char *scopes = ciba_scope(scope != NULL ? scope : "");
    question->scope = settings_keep(scopes);
    question->audience = settings_get(settings->audience, "AUDIENCE", NULL);
    question->acr_values = settings->acr_values;
    question->requested_expiry = settings->expiry;
    question->is_signed = settings->is_signed;
    return true;
}

void question_free(struct ciba_question *question) {
    jv_free(question->resources);
    jv_free(question->more);
}
