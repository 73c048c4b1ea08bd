/* dpop-proof: the header that proves possession of a key to an API, for curl -H. */
#include "cli/options.h"
#include "cli/run.h"
#include "document/reader.h"
#include "jose/key_file.h"
#include "oauth/dpop.h"
#include "system/confine.h"
#include "system/settings.h"

#include <stdlib.h>
#include <string.h>

static struct {
    const char *dpop_key_file, *nonce;
    struct confinement needs;
} options;

static const struct option_spec option_table[] = {
    {0, "dpop-key-file", "FILE", OPTION_KEY, &options.dpop_key_file,
     "the key that the token is bound to (DPOP_KEY_FILE)"},
    {0, "nonce", "NONCE", OPTION_TEXT, &options.nonce, "the DPoP-Nonce that the API sent"},
    CONFINE_OPTIONS(options.needs),
    {0, NULL, NULL, OPTION_FLAG, NULL, NULL},
};

static const struct command command = {
    "dpop-proof", "[--dpop-key-file FILE] [--nonce NONCE] METHOD URL",
    "Prints the DPoP header for one request to an API.", option_table, false};

struct job {
    const char *key_file, *token, *method, *url;
    EVP_PKEY *key;
};

static bool configure(void *context, struct error *error) {
    struct job *job = context;
    if (!settings_secret(&job->token, error, NULL, "ACCESS_TOKEN", NULL))
        return false;
    job->key = key_file_load(job->key_file, NULL, error);
    return job->key != NULL;
}

static int print_proof(void *context) {
    const struct job *job = context;
    struct error error;
    int status = STATUS_DONE;
    char *header =
        dpop_header(job->key, NULL, job->method, job->url, options.nonce, job->token, &error);
    char *line = header != NULL ? must_format("%s\n", header) : NULL;
    if (line == NULL || !output_write(line, strlen(line), &error))
        report_error(&status, NULL, &error);
    free(header);
    free(line);
    return status;
}

static void release(void *context) {
    EVP_PKEY_free(((struct job *)context)->key);
}

int main(int argc, char **argv) {
    static const struct command_parts parts = {configure, &options.needs, print_proof, release};
    int first = options_parse(&command, argc, argv);
    if (argc - first != 2)
        usage_error("METHOD and URL are needed");
    struct job job = {.key_file = settings_get(options.dpop_key_file, "DPOP_KEY_FILE", NULL),
                      .method = argv[first],
                      .url = argv[first + 1]};
    if (job.key_file == NULL)
        usage_error("--dpop-key-file is needed, or DPOP_KEY_FILE");
    return command_run(&parts, &job);
}
