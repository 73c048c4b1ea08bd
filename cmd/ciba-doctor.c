/* ciba-doctor: checks the settings and reports step by step what works. Asks no user, buys
 * nothing. */
#include "cli/options.h"
#include "cli/run.h"
#include "doctor/checks.h"
#include "doctor/hook_file.h"
#include "doctor/verdict.h"
#include "oauth/client.h"
#include "system/confine.h"
#include "system/settings.h"

#include <stdlib.h>

static struct {
    bool verbose, ask_model;
    const char *url, *hook_file;
    struct client_settings client;
    struct confinement needs;
} options;

static const struct option_spec option_table[] = {
    {0, "ask-model", NULL, OPTION_FLAG, &options.ask_model,
     "try a tool call too, which costs tokens"},
    {0, "url", "URL", OPTION_TEXT, &options.url, "the stock API (STOCK_API_URL)"},
    {0, "hook-file", "FILE", OPTION_TEXT, &options.hook_file,
     "check only FILE, a coding agent's settings that start ciba-hook"},
    CLIENT_OPTIONS(options.client),
    CONFINE_OPTIONS(options.needs),
    {'v', "verbose", NULL, OPTION_FLAG, &options.verbose, "say on stderr what is done"},
    {0, NULL, NULL, OPTION_FLAG, NULL, NULL},
};

static const struct command command = {
    "ciba-doctor", "[-v] [--ask-model] [-e FILE]\n       ciba-doctor --hook-file FILE",
    "Says which of the settings work, and what to do about those that do not.", option_table,
    false};

struct job {
    struct client client;
    bool configured;
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
    job->configured = client_configure(&job->client, &options.client, &job->error);
    if (job->client.issuer.http != NULL)
        client_needs(&job->client, &options.needs);
    confine_add(options.needs.reads, settings_get(NULL, "CREDENTIALS_DIRECTORY", NULL));
    return true;
}

static int look(void *context) {
    struct job *job = context;
    struct http *http = job->client.issuer.http;
    check_confinement(options.needs.off);
    if (job->configured) {
        verdict_ok("settings", "issuer, client and a credential of it are set");
        if (settings_get(NULL, "CIBA_USER", NULL) == NULL)
            verdict_left_out("user", "no CIBA_USER; give -u or another hint to ciba-authorize");
        check_provider(&job->client);
    } else {
        verdict_fail(job->error.status, "settings", "%s", job->error.text);
    }
    if (http != NULL) {
        check_model(http, options.ask_model);
        check_stock_api(http, options.url);
    }
    return verdict_status();
}

static void release(void *context) {
    client_free(&((struct job *)context)->client);
}

int main(int argc, char **argv) {
    static const struct command_parts parts = {configure, &options.needs, look, release};
    struct job job = {.configured = false};
    options_parse_only(&command, argc, argv);
    if (options.hook_file != NULL)
        return check_hook();
    return command_run(&parts, &job);
}
