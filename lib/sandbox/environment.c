#include "sandbox/environment.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>

/* Calls a function for each variable of the environment. */
static void each_setting(const struct sandbox *sandbox,
                         void (*use)(const char *name, const char *value)) {
    char *model_url = must_format("%s/v1", sandbox->origin);
    char *stock_url = must_format("%s/stocks", sandbox->origin);
    char *page = must_format("%s/", sandbox->origin);
    use("CIBA_ISSUER", sandbox->issuer);
    use("CIBA_CLIENT_ID", sandbox->client_id);
    use("CIBA_CLIENT_SECRET", sandbox->client_secret);
    use("CIBA_USER", sandbox->user);
    use("CIBA_SCOPE", "openid stock:trade");
    use("AUDIENCE", sandbox->audience);
    use("OPENAI_API_KEY", sandbox->api_key);
    use("OPENAI_BASE_URL", model_url);
    use("OPENAI_MODEL", "sandbox-model");
    use("STOCK_API_URL", stock_url);
    use("APCA_API_BASE_URL", sandbox->origin);
    use("APCA_API_KEY_ID", sandbox->broker_key_id);
    use("APCA_API_SECRET_KEY", sandbox->broker_secret_key);
    use("CIBA_SANDBOX_URL", page);
    free(model_url);
    free(stock_url);
    free(page);
}

static void put_into_environment(const char *name, const char *value) {
    if (value == NULL || setenv(name, value, 1) != 0)
        out_of_memory();
}

void environment_put(const struct sandbox *sandbox) {
    each_setting(sandbox, put_into_environment);
}

static FILE *exports; /* output of print_export */

static void print_export(const char *name, const char *value) {
    fprintf(exports, "%s='%s'; export %s;\n", name, value, name);
}

char *environment_exports(const struct sandbox *sandbox, long pid) {
    char *text = NULL;
    size_t size;
    char number[24];
    exports = open_memstream(&text, &size);
    if (exports == NULL)
        out_of_memory();
    each_setting(sandbox, print_export);
    snprintf(number, sizeof number, "%ld", pid);
    print_export("CIBA_SANDBOX_PID", number);
    fclose(exports);
    return text;
}
