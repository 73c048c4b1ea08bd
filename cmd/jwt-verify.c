/* jwt-verify: the API's side: checks whether an access token is valid for it. */
#include "base/clock.h"
#include "cli/options.h"
#include "cli/run.h"
#include "document/reader.h"
#include "oauth/access_token.h"
#include "oauth/client.h"
#include "oauth/introspection.h"
#include "oauth/issuer.h"
#include "system/confine.h"
#include "system/settings.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { INPUT_LIMIT = 64 << 20 };

static struct {
    bool quiet, verbose, binding_checked, introspect;
    const char *audience, *scope, *type, *jwks_file;
    struct client_settings client;
    struct confinement needs;
} options;

static const struct option_spec option_table[] = {
    {'a', "audience", "API", OPTION_TEXT, &options.audience,
     "who the token must be for (AUDIENCE)"},
    {'s', "scope", "SCOPE", OPTION_TEXT, &options.scope, "scopes that the token must have"},
    {0, "typ", "TYPE", OPTION_TEXT, &options.type,
     "the typ that the token must have, such as at+jwt"},
    {0, "jwks-file", "FILE", OPTION_TEXT, &options.jwks_file, "take the issuer's keys from FILE"},
    {0, "binding-checked", NULL, OPTION_FLAG, &options.binding_checked,
     "accept tokens bound to a key or certificate: the proof is checked elsewhere"},
    {0, "introspect", NULL, OPTION_FLAG, &options.introspect,
     "ask the issuer about each token, also about those that are no JWT"},
    {'q', "quiet", NULL, OPTION_FLAG, &options.quiet, "print nothing; only the exit status tells"},
    CLIENT_OPTIONS(options.client),
    CONFINE_OPTIONS(options.needs),
    {'v', "verbose", NULL, OPTION_FLAG, &options.verbose, "say on stderr what is done"},
    {0, NULL, NULL, OPTION_FLAG, NULL, NULL},
};

static const struct command command = {
    "jwt-verify", "[-qv] --issuer URL -a API [-s SCOPE] [--jwks-file FILE] [--introspect]",
    "Checks an access token and prints its claims.", option_table, false};

struct job {
    struct client client; /* only its issuer, without --introspect */
    struct access_token_facts facts;
};

/* The issuer's keys, from the file or from the issuer. */
static bool get_keys(struct job *job, bool again, struct error *error) {
    if (options.jwks_file == NULL)
        return issuer_discover(&job->client.issuer, error) &&
               issuer_fetch_keys(&job->client.issuer, again, error);
    if (jv_is_valid(job->client.issuer.jwks))
        return true;
    unsigned long size;
    struct error why;
    char *text = file_read(options.jwks_file, 1 << 20, &size, error);
    if (text == NULL)
        return false;
    bool good = json_parse(text, size, &job->client.issuer.jwks, &why);
    free(text);
    return good || fail(error, STATUS_CONFIG, "%s: %s", options.jwks_file, why.text);
}

/* Whether a token with the form of a JWT holds by itself. Sets *claims, or an error. */
static bool verify_jwt(struct job *job, const char *token, jv *claims, struct error *error) {
    enum access_token_verdict verdict = ACCESS_TOKEN_NO_KEY;
    for (int again = 0; again < 2 && verdict == ACCESS_TOKEN_NO_KEY; again++) {
        if (!get_keys(job, again == 1, error))
            return false;
        jv_free(*claims);
        verdict = access_token_verify(token, job->client.issuer.jwks, &job->facts, claims, error);
        if (verdict != ACCESS_TOKEN_VALID)
            error->status = STATUS_NO;
    }
    return verdict == ACCESS_TOKEN_VALID;
}

static bool is_jwt(const char *token) {
    const char *first = strchr(token, '.'), *second = first != NULL ? strchr(first + 1, '.') : NULL;
    return second != NULL && strchr(second + 1, '.') == NULL;
}

/* Whether the token holds. With --introspect the issuer is asked as well; a JWT must hold by itself
 * too, so that asking is never less. Sets *claims, or an error. */
static bool holds(struct job *job, const char *token, jv *claims, struct error *error) {
    struct access_token_facts facts = job->facts;
    bool alone = !options.introspect || is_jwt(token);
    *claims = jv_invalid();
    if (alone && !verify_jwt(job, token, claims, error))
        return false;
    if (!options.introspect)
        return true;
    if (alone)
        facts.type = NULL; /* it is checked */
    jv told;
    bool good = token_introspect(&job->client, token, &facts, &told, error);
    if (alone && good) {
        jv_free(told);
        return true;
    }
    jv_free(*claims);
    *claims = told;
    return good;
}

static int verify(struct job *job, const char *token) {
    struct error error;
    jv claims;
    job->facts.now = clock_now();
    int status = STATUS_DONE;
    if (!holds(job, token, &claims, &error)) {
        status = error.status;
        report(status == STATUS_NO ? "token" : NULL, "%s", error.text);
    } else if (!options.quiet && !document_write(claims, &error)) {
        report("stdout", "%s", error.text);
        status = error.status;
    }
    jv_free(claims);
    return status;
}

/* Verifies the access token of every call of the document that has one. */
static int verify_document(struct job *job, jv document) {
    int status = STATUS_DONE, found = 0;
    jv calls = json_get(document, "calls");
    if (jv_get_kind(calls) == JV_KIND_ARRAY) {
        jv_array_foreach(calls, i, call) {
            jv token = json_get(call, "token");
            const char *text = json_string(token, "access_token");
            if (text != NULL) {
                status = status_worse(status, verify(job, text));
                found++;
            }
            jv_free(token);
            jv_free(call);
        }
    }
    jv_free(calls);
    if (found == 0)
        report("stdin", "the document has no access token");
    return found > 0 ? status : STATUS_INPUT;
}

/* The token in a text that may be all of HTTP_AUTHORIZATION, with "Bearer" or "DPoP" before it. */
static char *behind_scheme(char *text) {
    static const char *const schemes[] = {"Bearer ", "DPoP "};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        size_t size = strlen(schemes[i]);
        if (strncasecmp(text, schemes[i], size) == 0)
            return text + size + strspn(text + size, " ");
    }
    return text;
}

/* Verifies a document or a token. */
static int verify_input(struct job *job, char *text) {
    struct error error;
    jv document;
    char *token = text + strspn(text, " \t\r\n");
    if (*token == '{') {
        int status = STATUS_INPUT;
        if (json_parse(token, strlen(token), &document, &error))
            status = verify_document(job, document);
        else
            report("stdin", "%s", error.text);
        jv_free(document);
        return status;
    }
    token = behind_scheme(token);
    token[strcspn(token, " \t\r\n")] = '\0';
    if (*token == '\0') {
        report("stdin", "has no token");
        return STATUS_NO;
    }
    return verify(job, token);
}

/* The issuer, and with --introspect the client that asks it. */
static bool open_issuer(struct job *job, struct error *error) {
    const struct client_settings *client = &options.client;
    struct issuer_settings issuer = {.env_file = client->env_file,
                                     .issuer = client->issuer,
                                     .key_password_file = client->key_password_file,
                                     .http = client->http};
    return options.introspect ? client_configure(&job->client, client, error)
                              : issuer_configure(&job->client.issuer, &issuer, error);
}

static bool configure(void *context, struct error *error) {
    struct job *job = context;
    if (!open_issuer(job, error))
        return false;
    const char *audience = settings_get(options.audience, "AUDIENCE", NULL);
    if (audience == NULL)
        return fail(error, STATUS_CONFIG, "no audience: set AUDIENCE, or -a");
    job->facts = (struct access_token_facts){.issuer = job->client.issuer.url,
                                             .audience = audience,
                                             .scope = options.scope,
                                             .type = options.type,
                                             .any_binding = options.binding_checked};
    client_needs(&job->client, &options.needs);
    confine_add(options.needs.reads, options.jwks_file);
    return true;
}

static int verify_stdin(void *context) {
    struct error error;
    unsigned long size = 0;
    char *text = file_read_descriptor(STDIN_FILENO, "stdin", INPUT_LIMIT, &size, &error);
    int status = STATUS_INPUT;
    if (text == NULL) {
        report(NULL, "%s", error.text);
        status = STATUS_IO;
    } else if (strlen(text) != size) {
        report("stdin", "has a NUL byte");
    } else {
        status = verify_input(context, text);
    }
    free(text);
    return status;
}

static void release(void *context) {
    client_free(&((struct job *)context)->client);
}

int main(int argc, char **argv) {
    static const struct command_parts parts = {configure, &options.needs, verify_stdin, release};
    struct job job = {0};
    options_parse_only(&command, argc, argv);
    return command_run(&parts, &job);
}
