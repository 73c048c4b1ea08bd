/* Who is asked what, from the command line and the settings: what is the same for each call. */
#ifndef CIBA_CIBA_QUESTION_SETTINGS_H
#define CIBA_CIBA_QUESTION_SETTINGS_H

#include "ciba/question.h"
#include "cli/command.h"

/* Settings from the command line; NULL and 0 where not given. */
struct question_settings {
    const char *user, *login_hint, *login_hint_token_file, *id_token_hint_file;
    const char *message, *text, *details; /* see call_question.h */
    const char *scope, *audience, *acr_values, *user_code_file;
    struct option_list resources, parameters;
    const char *details_type; /* of the detail with the whole message; NULL for none */
    bool fits;                /* without --fit and --no-fit: as with --fit */
    bool fit, no_fit, any_message, is_signed;
    long expiry;
};

/* The options of question_settings that each command takes that asks. */
/* clang-format off */
#define QUESTION_OPTIONS(question) \
    {'u', "user", "USER", OPTION_TEXT, &(question).user, "who is asked (the provider's sub)"}, \
    {0, "login-hint", "TEXT", OPTION_TEXT, &(question).login_hint, \
     "who, as the provider calls the user"}, \
    {0, "login-hint-token-file", "FILE", OPTION_SECRET, &(question).login_hint_token_file, \
     "who, as a login_hint_token"}, \
    {0, "id-token-hint-file", "FILE", OPTION_SECRET, &(question).id_token_hint_file, \
     "who, as an ID token issued for the user"}, \
    {0, "fit", NULL, OPTION_FLAG, &(question).fit, \
     "make a message fit that the provider would not accept"}, \
    {0, "no-fit", NULL, OPTION_FLAG, &(question).no_fit, "refuse such a message"}, \
    {0, "any-message", NULL, OPTION_FLAG, &(question).any_message, \
     "send a message that the provider is known not to accept"}, \
    {'d', "details", "FILTER", OPTION_TEXT, &(question).details, \
     "authorization_details: a jq filter over the arguments"}, \
    {0, "details-type", "TYPE", OPTION_TEXT, &(question).details_type, \
     "add the whole message to the details, as this type"}, \
    {'s', "scope", "SCOPE", OPTION_TEXT, &(question).scope, "scopes, separated by spaces (openid)"}, \
    {'a', "audience", "API", OPTION_TEXT, &(question).audience, "the API that the token is for"}, \
    {0, "resource", "URI", OPTION_LIST, &(question).resources, \
     "a resource that the token is for; may be repeated"}, \
    {0, "acr-values", "VALUES", OPTION_TEXT, &(question).acr_values, \
     "how the user is to be authenticated"}, \
    {0, "user-code-file", "FILE", OPTION_SECRET, &(question).user_code_file, "the user's user_code"}, \
    {0, "param", "NAME=VALUE", OPTION_LIST, &(question).parameters, \
     "a provider's own parameter; may be repeated"}, \
    {0, "signed", NULL, OPTION_FLAG, &(question).is_signed, \
     "sign the request (--client-key-file)"}, \
    {0, "expiry", "SECONDS", OPTION_SOME, &(question).expiry, \
     "how long the user may take to answer"}
/* clang-format on */

/* Checks and takes --resource (RFC 8707) and --param, which need no other settings. False and an
 * error with status 64. The question's copies are freed by question_free. */
bool question_take_parameters(struct ciba_question *question,
                              const struct question_settings *settings, struct error *error);

/* Sets the rest, after client_configure: who is asked, by exactly one hint; scope, audience and
 * more. False and an error with status 64, 66 or 78. */
bool question_configure(struct ciba_question *question, const struct question_settings *settings,
                        const struct client *client, struct error *error);

void question_free(struct ciba_question *question);

#endif
