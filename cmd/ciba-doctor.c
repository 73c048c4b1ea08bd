/* ciba-doctor: checks the settings and reports step by step what works. Asks no user, buys
 * nothing. */
#include "cli/options.h"
#include "cli/run.h"
#include "doctor/checks.h"
#include "doctor/configuration.h"
#include "doctor/hook_file.h"
#include "doctor/machine.h"
#include "doctor/verdict.h"
#include "oauth/client.h"
#include "system/confine.h"
#include "system/settings.h"

#include <stdlib.h>

static struct {
    bool verbose, ask_model, print_env;
    const char *url, *hook_file, *spool;
    struct client_settings client;
    struct confinement needs;
} options;

static const struct option_spec option_table[] = {
    {0, "ask-model", NULL, OPTION_FLAG, &options.ask_model,
     "try a tool call too, which costs tokens"},
    {0, "url", "URL", OPTION_TEXT, &options.url, "the stock API (STOCK_API_URL)"},
    {0, "spool-dir", "DIR", OPTION_TEXT, &options.spool, "check this spool of agent-spool too"},
    {0, "print-env", NULL, OPTION_FLAG, &options.print_env,
     "only print a file for -e, with what is missing, to be filled in"},
    {0, "hook-file", "FILE", OPTION_TEXT, &options.hook_file,
     "check only FILE, a coding agent's settings that start ciba-hook"},
    CLIENT_OPTIONS(options.client),
    CONFINE_OPTIONS(options.needs),
    {'v', "verbose", NULL, OPTION_FLAG, &options.verbose, "say on stderr what is done"},
    {0, NULL, NULL, OPTION_FLAG, NULL, NULL},
};

static const struct command command = {
    "ciba-doctor",
    "[-v] [--ask-model] [--spool-dir DIR] [-e FILE]\n"
    "       ciba-doctor --print-env [-e FILE]\n"
    "       ciba-doctor --hook-file FILE",
    "Says which of the settings work, and what to do about those that do not.", option_table,
    false};

struct job {
    struct client client;
    struct http *http; /* for what is no provider's */
    bool loaded, configured;
    struct error error; /* why not */
};

/* The file of --hook-file. */
struct hook_file {
    char *text;
    unsigned long size;
};

static bool read_hook_file(void *context, struct error *error) {
    struct hook_file *file = context;
    file->text = file_read(options.hook_file, HOOK_FILE_LIMIT, &file->size, error);
    return file->text != NULL;
}

static int look_at_hook_file(void *context) {
    const struct hook_file *file = context;
    check_hook_file(options.hook_file, file->text, file->size);
    return verdict_status();
}

static void free_hook_file(void *context) {
    free(((struct hook_file *)context)->text);
}

static int check_hook(void) {
    static const struct command_parts parts = {read_hook_file, &options.needs, look_at_hook_file,
                                               free_hook_file};
    struct hook_file file = {NULL, 0};
    return command_run(&parts, &file);
}

/* Invalid settings are a verdict; the other checks still run. */
static bool configure(void *context, struct error *error) {
    struct job *job = context;
    (void)error;
    job->loaded = settings_load(options.client.env_file, &job->error);
    job->configured = job->loaded && client_configure(&job->client, &options.client, &job->error);
    job->http = http_new(&options.client.http, settings_get(NULL, "SSL_CERT_FILE", NULL),
                         settings_get(NULL, "SSL_CERT_DIR", NULL));
    if (job->client.issuer.http != NULL)
        client_needs(&job->client, &options.needs);
    else
        http_needs(job->http, &options.needs);
    places_need(&options.needs, options.spool);
    confine_add(options.needs.reads, settings_get(NULL, "CREDENTIALS_DIRECTORY", NULL));
    return true;
}

/* The settings, and what they lead to at the provider. */
static void look_at_provider(struct job *job) {
    if (!job->loaded) {
        verdict_fail(job->error.status, "settings", "%s", job->error.text);
        return;
    }
    bool complete = check_settings(&options.client);
    check_env_file(options.client.env_file);
    if (complete && !job->configured)
        verdict_fail(job->error.status, "settings", "%s", job->error.text);
    if (job->configured)
        check_provider(&job->client);
    check_question(&job->client);
}

static int look(void *context) {
    struct job *job = context;
    check_versions();
    check_confinement(options.needs.off);
    look_at_provider(job);
    if (job->loaded) {
        check_model(job->http, options.ask_model);
        check_stock_api(job->http, options.url);
        check_places(options.spool);
        check_channel(job->http);
    }
    return verdict_status();
}

static int print_file(void) {
    struct error error;
    if (settings_load(options.client.env_file, &error) && print_env(&options.client, &error))
        return STATUS_DONE;
    report(NULL, "%s", error.text);
    return error.status;
}

static void release(void *context) {
    struct job *job = context;
    http_free(job->http);
    client_free(&job->client);
}

int main(int argc, char **argv) {
    static const struct command_parts parts = {configure, &options.needs, look, release};
    struct job job = {.client = {.issuer = {.metadata = jv_invalid(), .jwks = jv_invalid()}}};
    options_parse_only(&command, argc, argv);
    if (options.hook_file != NULL)
        return check_hook();
    if (options.print_env)
        return print_file();
    return command_run(&parts, &job);
}
