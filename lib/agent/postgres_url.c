#include "agent/postgres_url.h"

#include "base/redact.h"
#include "http/roots.h"
#include "system/settings.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const schemes[] = {"postgresql://", "postgres://"};

bool postgres_url_is(const char *where) {
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (strncmp(where, schemes[i], strlen(schemes[i])) == 0)
            return true;
    return false;
}

#ifdef POSTGRES

#define DEFAULT_SCHEMA "ciba"

enum { NAME_LIMIT = 63 /* bytes of a name in PostgreSQL */ };

/* A name that means the same with and without quotes. */
static bool is_plain_name(const char *name) {
    size_t size = strlen(name);
    for (const char *c = name; *c != '\0'; c++)
        if (!islower((unsigned char)*c) && *c != '_' && !(c > name && isdigit((unsigned char)*c)))
            return false;
    return size > 0 && size <= NAME_LIMIT && strncmp(name, "pg_", 3) != 0;
}

/* Takes the parameter `schema`, which is ours, out of the URL's text. The caller frees. */
static char *take_schema(char *text) {
    char *at = strchr(text, '?');
    while (at != NULL && strncmp(at + 1, "schema=", 7) != 0)
        at = strchr(at + 1, '&');
    if (at == NULL)
        return must_copy(DEFAULT_SCHEMA);
    size_t size = strcspn(at + 1, "&");
    char *schema = must_format("%.*s", (int)(size - 7), at + 8), *rest = at + 1 + size;
    if (*rest == '&')
        memmove(at + 1, rest + 1, strlen(rest));
    else
        *at = '\0';
    return schema;
}

const char *postgres_url_get(const struct postgres_url *url, const char *name) {
    for (const PQconninfoOption *option = url->options; option->keyword != NULL; option++)
        if (strcmp(option->keyword, name) == 0)
            return option->val != NULL && *option->val != '\0' ? option->val : NULL;
    return NULL;
}

/* Whether a host of the list, separated by commas, is another machine; an empty one is the local
 * socket. */
static bool is_far(const char *hosts) {
    static const char *const near[] = {"", "localhost", "127.0.0.1", "::1"};
    for (const char *host = hosts; host != NULL; host = strchr(host, ',')) {
        host += *host == ',';
        size_t size = strcspn(host, ","), i = 0, count = sizeof near / sizeof *near;
        while (i < count && (strlen(near[i]) != size || strncmp(host, near[i], size) != 0))
            i++;
        if (i == count && *host != '/' && *host != '@')
            return true;
    }
    return false;
}

/* A file in the user's folder, NULL without one. */
static char *in_home(const char *name) {
    const char *home = settings_get(NULL, "HOME", NULL);
    return home == NULL ? NULL : must_format("%s/%s", home, name);
}

/* The CA certificates for verify-full, where neither the URL nor the user has a file of them. */
static const char *find_roots(void) {
    char *own = in_home(".postgresql/root.crt");
    bool has_own = own != NULL && access(own, R_OK) == 0;
    free(own);
    const char *roots = has_own ? NULL : settings_get(NULL, "PGSSLROOTCERT", "SSL_CERT_FILE", NULL);
    return has_own || roots != NULL ? roots : http_roots_file();
}

static bool read_password(struct postgres_url *url, struct error *error) {
    const char *file = settings_get(postgres_url_get(url, "passfile"), "PGPASSFILE", NULL);
    url->password_file = file != NULL ? must_copy(file) : in_home(".pgpass");
    const char *in_url = postgres_url_get(url, "password");
    if (in_url != NULL)
        redact_know(in_url);
    return in_url != NULL || settings_secret(&url->password, error, NULL, "PGPASSWORD", NULL);
}

bool postgres_url_parse(struct postgres_url *url, const char *text, bool writes,
                        struct error *error) {
    char *copy = must_copy(text), *words = NULL;
    *url = (struct postgres_url){.schema = take_schema(copy), .writes = writes};
    url->options = libpq.PQconninfoParse(copy, &words);
    libpq.PQfreemem(words); /* it may quote the password */
    free(copy);
    bool good = url->options != NULL;
    if (!good) {
        fail(error, STATUS_CONFIG,
             "the URL of the spool cannot be read: postgresql://USER@HOST:PORT/DATABASE"
             "?PARAMETER=VALUE, with %%XX for special characters");
    } else if (!is_plain_name(url->schema)) {
        good = fail(error, STATUS_CONFIG,
                    "the spool's schema must be a name of a-z, 0-9 and _ that begins with neither "
                    "a digit nor pg_, not '%s'",
                    url->schema);
    } else {
        const char *hosts = settings_get(postgres_url_get(url, "host"), "PGHOST", NULL);
        url->far = is_far(hosts) || is_far(postgres_url_get(url, "hostaddr"));
        const char *mode = settings_get(postgres_url_get(url, "sslmode"), "PGSSLMODE", NULL);
        /* With them the mode `require` would be `verify-ca`. */
        bool verifies = mode == NULL ? url->far : strncmp(mode, "verify-", 7) == 0;
        url->roots = verifies ? find_roots() : NULL;
        url->folder = in_home(".postgresql");
        good = read_password(url, error);
    }
    if (!good)
        postgres_url_free(url);
    return good;
}

void postgres_url_free(struct postgres_url *url) {
    const char *password = url->options != NULL ? postgres_url_get(url, "password") : NULL;
    if (password != NULL)
        redact_forget(password);
    if (url->options != NULL)
        libpq.PQconninfoFree(url->options);
    free(url->schema);
    free(url->password_file);
    free(url->folder);
    *url = (struct postgres_url){0};
}

/* Adds a parameter unless the URL or, with `variable`, the environment sets it. */
static void add(const struct postgres_url *url, const char **names, const char **values,
                const char *name, const char *variable, const char *value) {
    size_t i = 0;
    bool set = postgres_url_get(url, name) != NULL ||
               (variable != NULL && settings_get(NULL, variable, NULL) != NULL);
    while (names[i] != NULL)
        i++;
    if (set || value == NULL)
        return;
    names[i] = name;
    values[i] = value;
    names[i + 1] = values[i + 1] = NULL;
}

void postgres_url_parameters(const struct postgres_url *url, const char *names[POSTGRES_PARAMETERS],
                             const char *values[POSTGRES_PARAMETERS]) {
    size_t count = 0;
    for (const PQconninfoOption *option = url->options;
         option->keyword != NULL && count < POSTGRES_PARAMETERS - 20; option++) {
        if (option->val == NULL)
            continue;
        names[count] = option->keyword;
        values[count++] = option->val;
    }
    names[count] = values[count] = NULL;
    add(url, names, values, "password", NULL, url->password);
    add(url, names, values, "sslmode", "PGSSLMODE", url->far ? "verify-full" : "prefer");
    add(url, names, values, "sslrootcert", NULL, url->roots);
    add(url, names, values, "ssl_min_protocol_version", NULL, "TLSv1.2");
    add(url, names, values, "gssencmode", "PGGSSENCMODE", "disable");
    add(url, names, values, "target_session_attrs", NULL, url->writes ? "read-write" : "any");
    add(url, names, values, "fallback_application_name", NULL, "agent-spool");
    add(url, names, values, "client_encoding", NULL, "UTF8");
    add(url, names, values, "connect_timeout", NULL, "5");
    add(url, names, values, "tcp_user_timeout", NULL, "10000");
    add(url, names, values, "keepalives_idle", NULL, "10");
    add(url, names, values, "keepalives_interval", NULL, "3");
    add(url, names, values, "keepalives_count", NULL, "3");
}

#endif
