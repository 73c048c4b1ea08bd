/* dpop-proof: the header that proves a key to an API, for curl -H. */
#include "config.h"
#include "confine.h"
#include "documents.h"
#include "dpop.h"
#include "key_file.h"
#include "options.h"

#include <stdlib.h>
#include <string.h>

static struct {
    const char *key, *nonce;
    struct confinement needs;
} given;

static const struct option_spec options[] = {
    {0, "key", "FILE", OPTION_TEXT, &given.key,
     "the key that the token is bound to (DPOP_KEY_FILE)"},
    {0, "nonce", "NONCE", OPTION_TEXT, &given.nonce, "what the API's DPoP-Nonce said"},
    CONFINE_OPTION(given.needs),
    {0, NULL, NULL, OPTION_FLAG, NULL, NULL},
};

static const struct command command = {"dpop-proof", "[--key FILE] [--nonce NONCE] METHOD URL",
                                       "Prints the DPoP header for one request to an API.", options,
                                       false};

int main(int argc, char **argv) {
    struct error error;
    const char *token = NULL;
    int first = options_parse(&command, argc, argv);
    if (argc - first != 2)
        usage_error("METHOD and URL are needed");
    const char *path = config_get(given.key, "DPOP_KEY_FILE", NULL);
    if (path == NULL)
        usage_error("--key is needed, or DPOP_KEY_FILE");
    EVP_PKEY *key = config_secret(&token, &error, NULL, "ACCESS_TOKEN", NULL)
                        ? key_file_load(path, NULL, &error)
                        : NULL;
    char *header = key == NULL || !confine(&given.needs, &error)
                       ? NULL
                       : dpop_header(key, argv[first], argv[first + 1], given.nonce, token, &error);
    char *line = header != NULL ? must_format("%s\n", header) : NULL;
    bool good = line != NULL && output_write(line, strlen(line), &error);
    if (!good)
        complain(NULL, "%s", error.text);
    free(header);
    free(line);
    EVP_PKEY_free(key);
    return good ? STATUS_DONE : error.status;
}
