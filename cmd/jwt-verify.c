/* jwt-verify: the other end: whether an access token is good for this API. */
#include "access_token.h"
#include "client.h"
#include "clock.h"
#include "config.h"
#include "confine.h"
#include "documents.h"
#include "json.h"
#include "options.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { INPUT_LIMIT = 64 << 20 };

static struct {
    bool quiet, verbose;
    const char *audience, *scope, *type, *jwks_file;
    struct client_settings issuer;
    struct confinement needs;
} given;

static const struct option_spec options[] = {
    {'a', "audience", "API", OPTION_TEXT, &given.audience, "who the token must be for (AUDIENCE)"},
    {'s', "scope", "SCOPE", OPTION_TEXT, &given.scope, "scopes that it must have"},
    {0, "typ", "TYPE", OPTION_TEXT, &given.type, "the typ that it must have, such as at+jwt"},
    {0, "jwks", "FILE", OPTION_TEXT, &given.jwks_file, "the issuer's keys, instead of asking it"},
    {'q', "quiet", NULL, OPTION_FLAG, &given.quiet, "write nothing; the exit status tells"},
    ISSUER_OPTIONS(given.issuer),
    HTTP_OPTIONS(given.issuer.http),
    CONFINE_OPTION(given.needs),
    {'v', "verbose", NULL, OPTION_FLAG, &given.verbose, "say on stderr what is done"},
    {0, NULL, NULL, OPTION_FLAG, NULL, NULL},
};

static const struct command command = {
    "jwt-verify", "[-qv] --issuer URL -a API [-s SCOPE] [--jwks FILE]",
    "Checks an access token and prints its claims.", options, false};

struct job {
    struct client issuer;
    struct access_token_facts facts;
};

/* The issuer's keys: of the file, or as it publishes them. */
static bool get_keys(struct job *job, bool again, struct error *error) {
    if (given.jwks_file == NULL)
        return client_discover(&job->issuer, error) &&
               client_fetch_keys(&job->issuer, again, error);
    if (jv_is_valid(job->issuer.jwks))
        return true;
    unsigned long size;
    struct error why;
    char *text = config_read_file(given.jwks_file, 1 << 20, &size, error);
    if (text == NULL)
        return false;
    bool good = json_parse(text, size, &job->issuer.jwks, &why);
    free(text);
    return good || fail(error, STATUS_CONFIG, "%s: %s", given.jwks_file, why.text);
}

static int verify(struct job *job, const char *token) {
    struct error error;
    jv claims = jv_invalid();
    enum access_token_verdict verdict = ACCESS_TOKEN_NO_KEY;
    for (int again = 0; again < 2 && verdict == ACCESS_TOKEN_NO_KEY; again++) {
        if (!get_keys(job, again == 1, &error)) {
            complain(NULL, "%s", error.text);
            return error.status;
        }
        jv_free(claims);
        job->facts.now = clock_now();
        verdict = access_token_verify(token, job->issuer.jwks, &job->facts, &claims, &error);
    }
    int status = verdict == ACCESS_TOKEN_VALID ? STATUS_DONE : STATUS_NO;
    if (status == STATUS_NO)
        complain("token", "%s", error.text);
    else if (!given.quiet && !document_write(claims, &error)) {
        complain("stdout", "%s", error.text);
        status = error.status;
    }
    jv_free(claims);
    return status;
}

/* The access token of every call of the document that has one. */
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
        complain("stdin", "the document has no access token");
    return found > 0 ? status : STATUS_INPUT;
}

/* A document, or a token, which may have "Bearer " before it, as in HTTP_AUTHORIZATION. */
static int verify_input(struct job *job, char *text) {
    struct error error;
    jv document;
    char *token = text + strspn(text, " \t\r\n");
    if (*token == '{') {
        int status = STATUS_INPUT;
        if (json_parse(token, strlen(token), &document, &error))
            status = verify_document(job, document);
        else
            complain("stdin", "%s", error.text);
        jv_free(document);
        return status;
    }
    if (strncasecmp(token, "Bearer ", 7) == 0)
        token += 7 + strspn(token + 7, " ");
    token[strcspn(token, " \t\r\n")] = '\0';
    if (*token == '\0') {
        complain("stdin", "has no token");
        return STATUS_NO;
    }
    return verify(job, token);
}

int main(int argc, char **argv) {
    struct job job;
    struct error error;
    int first = options_parse(&command, argc, argv), status = STATUS_DONE;
    if (first < argc)
        usage_error("unknown operand '%s'", argv[first]);
    if (given.verbose)
        verbose_on();
    bool good = client_configure_issuer(&job.issuer, &given.issuer, &error);
    const char *audience = config_get(given.audience, "AUDIENCE", NULL);
    if (good && audience == NULL)
        good = fail(&error, STATUS_CONFIG, "no audience: set AUDIENCE, or -a");
    if (good)
        http_needs(job.issuer.http, &given.needs);
    confine_add(given.needs.reads, given.jwks_file);
    good = good && confine(&given.needs, &error);
    job.facts = (struct access_token_facts){.issuer = job.issuer.issuer,
                                            .audience = audience,
                                            .scope = given.scope,
                                            .type = given.type};
    unsigned long size = 0;
    char *text =
        good ? config_read_descriptor(STDIN_FILENO, "stdin", INPUT_LIMIT, &size, &error) : NULL;
    if (text == NULL) {
        complain(NULL, "%s", error.text);
        status = good ? STATUS_IO : error.status;
    } else if (strlen(text) != size) {
        complain("stdin", "has a NUL byte");
        status = STATUS_INPUT;
    } else {
        status = verify_input(&job, text);
    }
    free(text);
    client_free(&job.issuer);
    return status;
}
