/* ciba-authorize: asks the user, through his OpenID provider, whether each call may be done. */
#include "call.h"
#include "ciba.h"
#include "clock.h"
#include "config.h"
#include "confine.h"
#include "digest.h"
#include "filter.h"
#include "json.h"
#include "options.h"
#include "record.h"
#include "spool.h"
#include "template.h"

#include <stdlib.h>
#include <string.h>

static struct {
    bool null_input, verbose;
    const char *user, *login_hint, *login_hint_token_file, *id_token_hint_file;
    const char *notify, *reuse, *message, *text, *scope, *audience, *details, *acr_values,
        *user_code_file;
    bool any_message, is_signed, ask_again;
    long expiry;
    struct option_list tools, resources, parameters;
    struct client_settings client;
    struct record_settings record;
    struct filter_jobs jobs;
    struct confinement needs;
} given;

static const struct option_spec options[] = {
    {'n', "null-input", NULL, OPTION_FLAG, &given.null_input,
     "make a document with one call; do not read stdin"},
    {'u', "user", "USER", OPTION_TEXT, &given.user, "who is asked (the provider's sub)"},
    {0, "login-hint", "TEXT", OPTION_TEXT, &given.login_hint, "who, in the provider's own words"},
    {0, "login-hint-token-file", "FILE", OPTION_TEXT, &given.login_hint_token_file,
     "who, as a login_hint_token"},
    {0, "id-token-hint-file", "FILE", OPTION_TEXT, &given.id_token_hint_file,
     "who, as an ID token of his"},
    {'m', "message", "TEXT", OPTION_TEXT, &given.message,
     "what he is asked; \\(.x) is the argument x"},
    {0, "text", "TEXT", OPTION_TEXT, &given.text, "what he is asked, as it is: no template"},
    {0, "any-message", NULL, OPTION_FLAG, &given.any_message,
     "send a message that the provider is known not to take"},
    {'s', "scope", "SCOPE", OPTION_TEXT, &given.scope, "scopes, separated by spaces (openid)"},
    {'a', "audience", "API", OPTION_TEXT, &given.audience, "the API that the token is for"},
    {'d', "details", "FILTER", OPTION_TEXT, &given.details,
     "authorization_details, by jq from the arguments"},
    {0, "resource", "URI", OPTION_LIST, &given.resources,
     "a resource that the token is for; may be repeated"},
    {0, "acr-values", "VALUES", OPTION_TEXT, &given.acr_values, "how he is to be authenticated"},
    {0, "user-code-file", "FILE", OPTION_TEXT, &given.user_code_file, "his user_code"},
    {0, "param", "NAME=VALUE", OPTION_LIST, &given.parameters,
     "a provider's own parameter; may be repeated"},
    {0, "signed", NULL, OPTION_FLAG, &given.is_signed, "sign the request (--client-key-file)"},
    {0, "notify", "DIR", OPTION_TEXT, &given.notify,
     "be notified (ping, push) through the spool DIR"},
    {0, "expiry", "SECONDS", OPTION_COUNT, &given.expiry, "ask for this time to answer"},
    {0, "ask-again", NULL, OPTION_FLAG, &given.ask_again,
     "where an answer was lost: ask at once, not when the first request has expired"},
    {0, "reuse", "FOR", OPTION_TEXT, &given.reuse,
     "use approvals in the store again: call, document or agent"},
    {0, "tool", "NAME", OPTION_LIST, &given.tools, "only calls of this tool; may be repeated"},
    STORE_OPTIONS(given.record),
    RECORD_OPTIONS(given.record),
    JOBS_OPTIONS(given.jobs),
    CLIENT_OPTIONS(given.client),
    CONFINE_OPTION(given.needs),
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
    struct record record;
    struct template *message, *details;
    char *scope;
    struct ciba_question question; /* all but what each call says */
    jv reuse;                      /* of the current document, invalid without --reuse */
};

/* Exactly one hint tells who is asked (CIBA Core §7.1). */
static bool choose_hint(struct ciba_question *question, struct error *error) {
    int hints = (given.user != NULL) + (given.login_hint != NULL) +
                (given.login_hint_token_file != NULL) + (given.id_token_hint_file != NULL);
    if (hints > 1)
        return fail(error, STATUS_USAGE,
                    "only one of -u, --login-hint, --login-hint-token-file and "
                    "--id-token-hint-file can tell who is asked");
    question->login_hint = given.login_hint;
    if (hints == 0 || given.user != NULL)
        question->user = config_get(given.user, "CIBA_USER", NULL);
    if (hints == 0 && question->user == NULL)
        return fail(error, STATUS_CONFIG, "no user: set CIBA_USER, or -u");
    return (given.login_hint_token_file == NULL ||
            config_secret(&question->login_hint_token, error, given.login_hint_token_file, NULL)) &&
           (given.id_token_hint_file == NULL ||
            config_secret(&question->id_token_hint, error, given.id_token_hint_file, NULL));
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

/* --param, which is not for what has an option or is the client's. */
static bool read_parameters(struct ciba_question *question, struct error *error) {
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
    question->resources = jv_array();
    question->more = jv_object();
    for (size_t i = 0; i < given.resources.count; i++) {
        if (!is_resource(given.resources.items[i]))
            return fail(error, STATUS_USAGE,
                        "--resource: '%.200s' is not an absolute URI without a fragment",
                        given.resources.items[i]);
        question->resources =
            jv_array_append(question->resources, jv_string(given.resources.items[i]));
    }
    for (size_t i = 0; i < given.parameters.count; i++) {
        const char *text = given.parameters.items[i], *equals = strchr(text, '=');
        if (equals == NULL || equals == text)
            return fail(error, STATUS_USAGE, "--param: '%s' is not NAME=VALUE", text);
        char *name = must_format("%.*s", (int)(equals - text), text);
        for (size_t j = 0; j < sizeof taken / sizeof *taken; j++) {
            if (strcmp(taken[j], name) == 0) {
                free(name);
                return fail(error, STATUS_USAGE, "--param: '%s' is not for a parameter of CIBA's",
                            taken[j]);
            }
        }
        question->more = json_set_string(question->more, name, equals + 1);
        free(name);
    }
    return true;
}

static bool configure(struct job *job, struct error *error) {
    struct ciba_question *question = &job->question;
    if (!read_parameters(question, error) ||
        !client_configure(&job->client, &given.client, error) || !choose_hint(question, error) ||
        !record_configure(&job->record, &given.record, error))
        return false;
    job->record.store.client_id = job->client.id;
    if (given.reuse != NULL && job->record.store.folder == NULL)
        return fail(error, STATUS_CONFIG, "--reuse needs a store: set --store, or CIBA_STORE");
    if (given.is_signed && job->client.key == NULL)
        return fail(error, STATUS_CONFIG, "--signed needs the client's key: --client-key-file");
    question->is_signed = given.is_signed;
    question->any_message = given.any_message;
    question->audience = config_get(given.audience, "AUDIENCE", NULL);
    question->acr_values = given.acr_values;
    question->requested_expiry = given.expiry;
    if (given.user_code_file != NULL &&
        !config_secret(&question->user_code, error, given.user_code_file, NULL))
        return false;
    const char *scope = config_get(given.scope, "CIBA_SCOPE", NULL);
    job->scope = ciba_scope(scope != NULL ? scope : "");
    question->scope = job->scope;
    if (given.message != NULL && (job->message = template_text(given.message, error)) == NULL)
        return false;
    if (given.details != NULL && (job->details = template_filter(given.details, error)) == NULL)
        return false;
    return true;
}

static bool drop_rights(const struct job *job, struct error *error) {
    http_needs(job->client.http, &given.needs);
    record_needs(&job->record, &given.needs);
    confine_add(given.needs.writes, given.notify);
    given.needs.jobs = given.jobs.count > 1;
    return confine(&given.needs, error);
}

/* A name or a text as it stands in the message, in quotes where it could be taken for something
 * else: for another argument, a number, or nothing. The caller frees. */
static char *message_word(jv text) {
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
    static const char *const literals[] = {"true", "false", "null"};
    const char *word = json_value_string(text);
    bool quote = word == NULL || *word == '\0' || strspn(word, plain) != strlen(word) ||
                 strchr("0123456789-.", *word) != NULL;
    for (size_t i = 0; !quote && i < sizeof literals / sizeof *literals; i++)
        quote = strcmp(word, literals[i]) == 0;
    return quote ? json_text(text) : must_copy(word);
}

/* Without -m: the tool and its arguments, so that each can only be read as what it is. */
static jv plain_message(jv call, jv arguments, struct error *error) {
    jv name = json_get(call, "name");
    char *message = jv_get_kind(name) == JV_KIND_STRING ? message_word(name) : must_copy("");
    const char *separator = ": ";
    jv keys = jv_keys(jv_copy(arguments));
    bool good = true;
    jv_array_foreach(keys, i, key) {
        jv value = jv_object_get(jv_copy(arguments), jv_copy(key));
        bool is_text = jv_get_kind(value) == JV_KIND_STRING;
        char *shown = is_text ? message_word(value) : json_canonical(value, error);
        char *argument = message_word(key);
        good = good && shown != NULL;
        char *longer =
            must_format("%s%s%s %s", message, separator, argument, shown != NULL ? shown : "");
        free(message);
        free(shown);
        free(argument);
        message = longer;
        separator = ", ";
        jv_free(key);
        jv_free(value);
    }
    jv text = good ? jv_string(message) : jv_invalid();
    free(message);
    jv_free(name);
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
    else if (given.text != NULL)
        *message = jv_string(given.text);
    else if (job->message != NULL)
        good = template_run(job->message, arguments, message, error);
    else
        good = jv_is_valid(*message = plain_message(call, arguments, error));
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

/* Asks; with --notify the token for the notification is made, and expected, first. Takes the call.
 */
static jv ask(struct job *job, struct ciba_question *question, jv call, struct error *error) {
    char *token = NULL, *digest = NULL;
    bool ready = true;
    if (given.notify != NULL) {
        token = random_name(32);
        digest = digest_of(token, strlen(token));
        ready = spool_expect(given.notify, digest, error);
        question->notification_token = token;
    }
    call = ready ? ciba_ask(&job->client, question, call, error)
                 : call_settle(call, "failed", "misconfigured", error->text);
    if (digest != NULL && call_state(call) != CALL_PENDING)
        spool_forget(given.notify, digest);
    free(token);
    free(digest);
    return call;
}

/* How often the user has been asked, where that was for nothing, and for what else his approval may
 * be used: what the authorization has beside the question. */
static jv add_facts(const struct job *job, jv call, jv before) {
    double attempt = 1;
    jv authorization = json_get(call, "authorization");
    json_number(before, "attempt", &attempt);
    if (json_is(before, "error", "invalid_grant"))
        authorization = json_set(authorization, "attempt", jv_number(attempt + 1));
    if (given.reuse != NULL)
        authorization = json_set(authorization, "reuse", jv_copy(job->reuse));
    return json_set(call, "authorization", authorization);
}

/* Whether the store has an approval for the question, which then is the call's. */
static bool use_again(struct job *job, const struct ciba_question *question, jv *call,
                      int *status) {
    struct error ignored;
    char *digest = given.reuse == NULL ? NULL : call_digest(*call, &ignored);
    if (digest == NULL)
        return false;
    jv authorization = ciba_authorization(&job->client, question, digest);
    authorization = json_set(authorization, "reuse", jv_copy(job->reuse));
    bool found = record_reuse(&job->record, authorization, call, status);
    jv_free(authorization);
    free(digest);
    return found;
}

/* Asks, with the intent on the disk before and the outcome after. Takes the call. */
static jv ask_once(struct job *job, struct ciba_question *question, jv call, int *status,
                   struct error *error) {
    if (use_again(job, question, &call, status))
        return call;
    jv before = json_get(call, "authorization");
    if (record_asking(&job->record, call, clock_now() + ciba_lifetime(question), error)) {
        call = add_facts(job, ask(job, question, call, error), before);
        call = record_asked(&job->record, call, status);
    }
    jv_free(before);
    return call;
}

/* Until when a first request of which the answer was lost may still be approved; 0 for none. */
static double lost_until(jv call) {
    double until = 0;
    jv authorization = json_get(call, "authorization");
    json_number(authorization, "ask_again_at", &until);
    jv_free(authorization);
    return until;
}

/* Whether something must come before the call can be asked about, or has come already. Takes and
 * gives the call. */
static bool is_settled(struct job *job, jv *call, int *status) {
    double until = lost_until(*call);
    enum record_memory memory = record_question(&job->record, call, &until, status);
    if (memory == RECORD_FINISHED)
        return true;
    if (given.ask_again || until <= clock_now())
        return false;
    if (memory == RECORD_BEGUN)
        *call = ciba_lost(*call, until, "the answer was lost; the user may have been asked");
    complain(call_id(*call),
             "the provider's answer was lost; the user is asked again in %.0f s, when he can no "
             "longer approve the first request, or at once with --ask-again",
             until - clock_now());
    *status = status_worse(*status, STATUS_NOT_YET);
    return true;
}

/* Gives the call its arguments as they will be executed, whatever spelling the model chose for a
 * number: the message and the details are made of them. False and an error if a number cannot be
 * held exactly. */
static bool normalise(jv *call, struct error *error) {
    jv arguments = json_get(*call, "arguments"), normal = json_normal(arguments, error);
    bool good = jv_is_valid(normal) || !jv_is_valid(arguments);
    if (jv_is_valid(normal))
        *call = json_set(*call, "arguments", normal);
    jv_free(arguments);
    return good;
}

static jv authorize_call(void *context, jv call, int *status) {
    struct job *job = context;
    struct error error = {STATUS_DONE, ""};
    if (call_state(call) != CALL_NEW || !is_chosen(call) || is_settled(job, &call, status))
        return call;
    jv message = jv_invalid(), details = jv_invalid();
    if (!normalise(&call, &error)) {
        call = call_settle(call, "failed", "invalid_arguments", error.text);
    } else if (make_question(job, call, &message, &details, &error)) {
        struct ciba_question question = job->question;
        question.binding_message = json_value_string(message);
        question.authorization_details = details;
        call = ask_once(job, &question, call, status, &error);
    } else {
        call = call_settle(call, "failed",
                           json_value_string(message) == NULL ? "invalid_message"
                                                              : "invalid_authorization_details",
                           error.text);
    }
    jv_free(message);
    jv_free(details);
    if (error.status != STATUS_DONE) {
        complain(call_id(call), "%s", error.text);
        *status = status_worse(*status, error.status);
    }
    return call;
}

/* For what else an approval in this document may be used; a document that has no id gets one. */
static jv reuse_in(jv *document) {
    jv reuse = json_set_string(jv_object(), "for", given.reuse);
    if (strcmp(given.reuse, "document") != 0)
        return reuse;
    if (json_string(*document, "id") == NULL) {
        char *id = random_name(18);
        *document = json_set_string(*document, "id", id);
        free(id);
    }
    return json_set_string(reuse, "document", json_string(*document, "id"));
}

static jv authorize(void *context, jv document, int *status) {
    struct job *job = context;
    struct error error;
    if (!record_begin(&job->record, &error)) {
        complain(NULL, "%s", error.text);
        *status = status_worse(*status, error.status);
        return document;
    }
    job->reuse = given.reuse != NULL ? reuse_in(&document) : jv_invalid();
    document = filter_calls(document, authorize_call, context, status);
    jv_free(job->reuse);
    return document;
}

/* Approval for something that is no tool: a script, a CI job. What the user is asked is the call's
 * only argument, so that the approval of one question is not that of another. */
static jv new_document(const struct job *job) {
    struct error ignored;
    jv nothing = jv_object(), message = jv_invalid(), arguments = jv_object();
    if (given.text != NULL)
        message = jv_string(given.text);
    else
        template_run(job->message, nothing, &message, &ignored);
    arguments = json_set(arguments, "message", message);
    char *noise = random_name(12), *id = must_format("call_%s", noise);
    jv call = json_set(json_set_string(jv_object(), "id", id), "arguments", arguments);
    jv_free(nothing);
    free(noise);
    free(id);
    return json_set(jv_object(), "calls", JV_ARRAY(call));
}

int main(int argc, char **argv) {
    struct job job = {.question = {.resources = jv_invalid(), .more = jv_invalid()}};
    struct error error;
    int status, first = options_parse(&command, argc, argv);
    if (first < argc)
        usage_error("unknown operand '%s'", argv[first]);
    if (given.null_input && given.message == NULL && given.text == NULL)
        usage_error("-n needs -m or --text, which says what the user is asked");
    if (given.message != NULL && given.text != NULL)
        usage_error("only one of -m and --text says what the user is asked");
    if (given.reuse != NULL && strcmp(given.reuse, "call") != 0 &&
        strcmp(given.reuse, "document") != 0 && strcmp(given.reuse, "agent") != 0)
        usage_error("--reuse: call, document or agent");
    if (given.verbose)
        verbose_on();
    if (configure(&job, &error) && drop_rights(&job, &error)) {
        status = given.null_input ? filter_run_one(authorize, &job, new_document(&job))
                                  : filter_run(authorize, &job, &given.jobs);
    } else {
        complain(NULL, "%s", error.text);
        status = error.status;
    }
    template_free(job.message);
    template_free(job.details);
    free(job.scope);
    free(given.tools.items);
    free(given.resources.items);
    free(given.parameters.items);
    jv_free(job.question.resources);
    jv_free(job.question.more);
    record_free(&job.record);
    client_free(&job.client);
    return status;
}
