/* ciba-authorize: asks the user, through his OpenID provider, whether each call may be done. */
#include "call.h"
#include "ciba.h"
#include "config.h"
#include "digest.h"
#include "filter.h"
#include "json.h"
#include "options.h"
#include "template.h"

#include <stdlib.h>
#include <string.h>

static struct {
    bool null_input, verbose;
    const char *user, *message, *scope, *audience, *details;
    long expiry;
    struct option_list tools;
    struct client_settings client;
} given;

static const struct option_spec options[] = {
    {'n', "null-input", NULL, OPTION_FLAG, &given.null_input,
     "make a document with one call; do not read stdin"},
    {'u', "user", "USER", OPTION_TEXT, &given.user, "who is asked (the provider's sub)"},
    {'m', "message", "TEXT", OPTION_TEXT, &given.message,
     "what he is asked; \\(.x) is the argument x"},
    {'s', "scope", "SCOPE", OPTION_TEXT, &given.scope, "scopes, separated by spaces (openid)"},
    {'a', "audience", "API", OPTION_TEXT, &given.audience, "the API that the token is for"},
    {'d', "details", "FILTER", OPTION_TEXT, &given.details,
     "authorization_details, by jq from the arguments"},
    {0, "expiry", "SECONDS", OPTION_COUNT, &given.expiry, "ask for this time to answer"},
    {0, "tool", "NAME", OPTION_LIST, &given.tools, "only calls of this tool; may be repeated"},
    CLIENT_OPTIONS(given.client),
    {'v', "verbose", NULL, OPTION_FLAG, &given.verbose, "say on stderr what is done"},
    {0, NULL, NULL, OPTION_FLAG, NULL, NULL},
};

static const struct command command = {
    "ciba-authorize",
    "[-nv] [-u USER] [-m MESSAGE] [-s SCOPE] [-a AUDIENCE] [-d DETAILS]\n"
    "                      [--expiry SECONDS] [--tool NAME]... [-e FILE]",
    "Asks the user for each call that nobody has been asked about.", options, false};

struct job {
    struct client client;
    struct template *message, *details;
    const char *user, *audience;
    char *scope;
};

/* The scopes with `openid`, which CIBA needs. */
static char *complete_scope(const char *scope) {
    size_t size = strlen("openid");
    const char *found = scope;
    while ((found = strstr(found, "openid")) != NULL) {
        bool starts = found == scope || found[-1] == ' ';
        if (starts && (found[size] == '\0' || found[size] == ' '))
            return must_copy(scope);
        found += size;
    }
    return must_format("openid%s%s", *scope != '\0' ? " " : "", scope);
}

static bool configure(struct job *job, struct error *error) {
    if (!client_configure(&job->client, &given.client, error))
        return false;
    job->user = config_get(given.user, "CIBA_USER", NULL);
    if (job->user == NULL)
        return fail(error, STATUS_CONFIG, "no user: set CIBA_USER, or -u");
    job->audience = config_get(given.audience, "AUDIENCE", NULL);
    const char *scope = config_get(given.scope, "CIBA_SCOPE", NULL);
    job->scope = complete_scope(scope != NULL ? scope : "");
    if (given.message != NULL && (job->message = template_text(given.message, error)) == NULL)
        return false;
    if (given.details != NULL && (job->details = template_filter(given.details, error)) == NULL)
        return false;
    return true;
}

/* Without -m: the tool and its arguments, in characters that every provider allows. */
static jv plain_message(jv call, jv arguments) {
    const char *name = json_string(call, "name");
    jv text = jv_string(name != NULL ? name : "");
    const char *separator = ": ";
    jv keys = jv_keys(jv_copy(arguments));
    jv_array_foreach(keys, i, key) {
        jv value = jv_object_get(jv_copy(arguments), jv_copy(key));
        if (jv_get_kind(value) != JV_KIND_STRING)
            value = jv_dump_string(value, 0);
        text = jv_string_append_str(text, separator);
        text = jv_string_concat(jv_string_append_str(jv_string_concat(text, key), " "), value);
        separator = ", ";
    }
    jv_free(keys);
    return text;
}

/* What the templates make of the arguments. The values are the caller's. */
static bool make_question(const struct job *job, jv call, jv *message, jv *details,
                          struct error *error) {
    jv arguments = json_get(call, "arguments");
    *message = *details = jv_invalid();
    bool good = jv_get_kind(arguments) == JV_KIND_OBJECT;
    if (!good)
        fail(error, STATUS_INPUT, "its arguments are not an object");
    else if (job->message != NULL)
        good = template_run(job->message, arguments, message, error);
    else
        *message = plain_message(call, arguments);
    if (good && json_value_string(*message) == NULL)
        good = fail(error, STATUS_INPUT, "the message has a NUL in it");
    if (good && job->details != NULL) {
        good = template_run(job->details, arguments, details, error);
        if (good && jv_get_kind(*details) == JV_KIND_OBJECT)
            *details = JV_ARRAY(*details);
        if (good && jv_get_kind(*details) != JV_KIND_ARRAY)
            good = fail(error, STATUS_INPUT, "-d gives no object and no array");
    }
    jv_free(arguments);
    return good;
}

static bool is_chosen(jv call) {
    bool chosen = given.tools.count == 0;
    for (size_t i = 0; i < given.tools.count; i++)
        chosen = chosen || json_is(call, "name", given.tools.items[i]);
    return chosen;
}

static jv authorize_call(void *context, jv call, int *status) {
    struct job *job = context;
    struct error error = {STATUS_DONE, ""};
    if (call_state(call) != CALL_NEW || !is_chosen(call))
        return call;
    jv message, details;
    if (make_question(job, call, &message, &details, &error)) {
        struct ciba_question question = {.user = job->user,
                                         .scope = job->scope,
                                         .audience = job->audience,
                                         .binding_message = json_value_string(message),
                                         .requested_expiry = given.expiry,
                                         .authorization_details = details};
        call = ciba_ask(&job->client, &question, call, &error);
    } else {
        call = call_settle(call, "failed", "invalid_message", error.text);
    }
    jv_free(message);
    jv_free(details);
    if (error.status != STATUS_DONE) {
        complain(call_id(call), "%s", error.text);
        *status = status_worse(*status, error.status);
    }
    return call;
}

static jv authorize(void *context, jv document, int *status) {
    return filter_calls(document, authorize_call, context, status);
}

/* Approval for something that is no tool: a script, a CI job. */
static jv new_document(void) {
    char *noise = random_name(12), *id = must_format("call_%s", noise);
    jv call = json_set(json_set_string(jv_object(), "id", id), "arguments", jv_object());
    free(noise);
    free(id);
    return json_set(jv_object(), "calls", JV_ARRAY(call));
}

int main(int argc, char **argv) {
    struct job job = {.message = NULL};
    struct error error;
    int status, first = options_parse(&command, argc, argv);
    if (first < argc)
        usage_error("unknown operand '%s'", argv[first]);
    if (given.null_input && given.message == NULL)
        usage_error("-n needs -m, which says what the user is asked");
    if (given.verbose)
        verbose_on();
    if (configure(&job, &error)) {
        status = given.null_input ? filter_run_one(authorize, &job, new_document())
                                  : filter_run(authorize, &job);
    } else {
        complain(NULL, "%s", error.text);
        status = error.status;
    }
    template_free(job.message);
    template_free(job.details);
    free(job.scope);
    free(given.tools.items);
    client_free(&job.client);
    return status;
}
