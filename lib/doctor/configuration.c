#include "doctor/configuration.h"

#include "base/text.h"
#include "doctor/verdict.h"
#include "document/reader.h"
#include "system/settings.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What can be set, in the order of the file to fill in. */
static const struct item {
    const char *name, *other; /* `other` does as well, NULL for none */
    bool is_needed;           /* by every command that asks the provider */
    const char *option;
    const char *hint; /* in the file */
} items[] = {
    {"CIBA_ISSUER", "AUTH0_DOMAIN", true, "--issuer",
     "exactly as the provider's metadata has it; for Auth0 AUTH0_DOMAIN=example.eu.auth0.com "
     "instead"},
    {"CIBA_CLIENT_ID", "AUTH0_CLIENT_ID", true, "--client-id", ""},
    {"CIBA_CLIENT_SECRET", "AUTH0_CLIENT_SECRET", true, "--client-secret-file",
     "or a key, --client-key-file, a certificate, --tls-cert-file, or a token, "
     "--client-assertion-file"},
    {"CIBA_USER", NULL, false, NULL, "of Auth0 the user_id, as 'auth0|123'"},
    {"AUDIENCE", NULL, false, NULL, ""},
    {"CIBA_SCOPE", NULL, false, NULL, "openid is always asked for"},
    {"OPENAI_API_KEY", NULL, false, NULL, ""},
    {"OPENAI_BASE_URL", NULL, false, NULL, "OpenAI's own, if it is not set"},
    {"STOCK_API_URL", NULL, false, "--url", ""},
    {"CIBA_AUDIT", NULL, false, NULL, ""},
};
enum { ITEMS = sizeof items / sizeof *items };

static const char *place_of(const struct item *item, const char **name) {
    const char *place = settings_place(item->name);
    *name = item->name;
    if (place == NULL && item->other != NULL && (place = settings_place(item->other)) != NULL)
        *name = item->other;
    return place;
}

/* A credential of systemd's that authenticates the client. */
static bool has_assertion(void) {
    const char *folder = settings_get(NULL, "CREDENTIALS_DIRECTORY", NULL);
    char *path = must_format("%s/CIBA_CLIENT_ASSERTION", folder != NULL ? folder : "");
    bool there = folder != NULL && access(path, F_OK) == 0;
    free(path);
    return there || settings_place("CIBA_CLIENT_ASSERTION_FILE") != NULL;
}

/* Whether an option gives it, or something that does as well. */
static bool is_given(const struct item *item, const struct client_settings *client) {
    if (strcmp(item->name, "CIBA_ISSUER") == 0)
        return client->issuer != NULL;
    if (strcmp(item->name, "CIBA_CLIENT_ID") == 0)
        return client->client_id != NULL;
    if (strcmp(item->name, "CIBA_CLIENT_SECRET") != 0)
        return false;
    bool is_public = client->authentication != NULL && strcmp(client->authentication, "none") == 0;
    return client->secret_file != NULL || client->key_file != NULL ||
           client->assertion_file != NULL || client->http.cert != NULL || is_public ||
           has_assertion();
}

static bool is_missing(const struct item *item, const struct client_settings *client) {
    const char *name;
    return !is_given(item, client) && place_of(item, &name) == NULL;
}

static void add_missing(struct text *list, const struct item *item) {
    char *part =
        must_format("%s%s%s%s%s%s", list->size > 0 ? ", " : "", item->name,
                    item->other != NULL ? " or " : "", item->other != NULL ? item->other : "",
                    item->option != NULL ? " or " : "", item->option != NULL ? item->option : "");
    text_add_string(list, part);
    free(part);
}

/* Adds the names of what comes from the place. */
static void add_from(struct text *list, const char *place) {
    bool first = true;
    for (size_t i = 0; i < ITEMS; i++) {
        const char *name, *found = place_of(&items[i], &name);
        if (found == NULL || strcmp(found, place) != 0)
            continue;
        char *part = first ? must_format("%sfrom %s: %s", list->size > 0 ? "; " : "", place, name)
                           : must_format(", %s", name);
        text_add_string(list, part);
        free(part);
        first = false;
    }
}

static void tell_places(const struct client_settings *client) {
    struct text list = {0};
    bool options = false;
    for (size_t i = 0; i < ITEMS; i++)
        options = options || is_given(&items[i], client);
    if (options)
        text_add_string(&list, "some by options");
    for (size_t i = 0; i < ITEMS; i++) {
        const char *name, *place = place_of(&items[i], &name);
        bool told = place == NULL;
        for (size_t k = 0; !told && k < i; k++) {
            const char *other, *before = place_of(&items[k], &other);
            told = before != NULL && strcmp(before, place) == 0;
        }
        if (!told)
            add_from(&list, place);
    }
    verdict_ok("settings", "%s", list.text != NULL ? list.text : "by options");
    free(list.text);
}

bool check_settings(const struct client_settings *client) {
    struct text list = {0};
    for (size_t i = 0; i < ITEMS; i++)
        if (items[i].is_needed && is_missing(&items[i], client))
            add_missing(&list, &items[i]);
    bool complete = list.size == 0;
    if (complete)
        tell_places(client);
    else
        verdict_fail(STATUS_CONFIG, "settings",
                     "not set: %s; ciba-doctor --print-env prints a file to fill in", list.text);
    free(list.text);
    return complete;
}

bool print_env(const struct client_settings *client, struct error *error) {
    struct text file = {0};
    text_add_string(&file, "# Settings of ciba-tools, for -e FILE. Nobody else may read it: chmod "
                           "600 FILE.\n"
                           "# Remove the # before what you want to set.\n");
    for (size_t i = 0; i < ITEMS; i++) {
        const struct item *item = &items[i];
        if (!is_missing(item, client))
            continue;
        char *lines = must_format(
            "\n# %s%s%s\n%s%s=\n", settings_meaning(item->name), *item->hint != '\0' ? "; " : "",
            item->hint, item->is_needed || strcmp(item->name, "CIBA_USER") == 0 ? "" : "#",
            item->name);
        text_add_string(&file, lines);
        free(lines);
    }
    bool good = output_write(file.text, file.size, error);
    free(file.text);
    return good;
}

void check_env_file(const char *path) {
    struct stat facts;
    if (path != NULL && stat(path, &facts) == 0 && S_ISREG(facts.st_mode) &&
        (facts.st_mode & (S_IROTH | S_IWOTH)) != 0)
        verdict_left_out("settings",
                         "every user can read or write %s, which may have secrets; "
                         "chmod 600 %s",
                         path, path);
}
