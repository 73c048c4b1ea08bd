#include "oauth/client_assertion.h"

#include "base/clock.h"
#include "base/memory.h"
#include "jose/jwt.h"
#include "system/confine.h"
#include "system/settings.h"
#include "json/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LINKS = 4 /* that are followed */ };

struct client_assertion {
    const char *file, *audience;
    char *text;
    char *before; /* the one before it: the answer to a request with it may still quote it */
    jv claims;
};

/* The claims of a compact JWS; invalid if the text is none. */
static jv claims_of(const char *text) {
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    jv claims = jv_invalid();
    const char *at = text;
    for (int part = 0; part < 3; part++) {
        size_t size = strspn(at, alphabet);
        if (size == 0 || at[size] != (part < 2 ? '.' : '\0'))
            return claims;
        at += size + 1;
    }
    jwt_unverified_claims(text, &claims);
    return claims;
}

static bool is_for_us(const struct client_assertion *assertion, jv claims, struct error *error) {
    int count;
    if (jwt_audience_has(claims, assertion->audience, &count))
        return true;
    jv audience = json_get(claims, "aud");
    char *text = json_visible(audience);
    jv_free(audience);
    fail(error, STATUS_CONFIG,
         "%s: this assertion is for %.200s, not for %s, so it is not sent; have it made for that "
         "audience, or say with --assertion-audience which one the provider takes",
         assertion->file, text, assertion->audience);
    free(text);
    return false;
}

/* Whether the file can be read again: a pipe gives what it has once, and could be waited for. */
static bool can_reread(const char *file, struct error *error) {
    struct stat facts;
    return stat(file, &facts) != 0 || S_ISREG(facts.st_mode) ||
           fail(error, STATUS_NO_FILE, "%s: is no regular file, and not read again", file);
}

/* Reads the file into an assertion that stays as it is if that fails. */
static bool renew(struct client_assertion *assertion, struct error *error) {
    if (assertion->text != NULL && !can_reread(assertion->file, error))
        return false;
    char *text = settings_secret_read(assertion->file, error);
    if (text == NULL)
        return false;
    if (assertion->text != NULL && strcmp(text, assertion->text) == 0) {
        settings_secret_free(text);
        return true;
    }
    jv claims = claims_of(text);
    bool good = jv_is_valid(claims)
                    ? is_for_us(assertion, claims, error)
                    : fail(error, STATUS_CONFIG,
                           "%s: is not a signed JWT in compact form (header.payload.signature)",
                           assertion->file);
    if (!good) {
        jv_free(claims);
        settings_secret_free(text);
        return false;
    }
    settings_secret_free(assertion->before);
    assertion->before = assertion->text;
    assertion->text = text;
    jv_free(assertion->claims);
    assertion->claims = claims;
    return true;
}

struct client_assertion *client_assertion_open(const char *file, const char *audience,
                                               struct error *error) {
    struct client_assertion *assertion = must_alloc(sizeof *assertion);
    *assertion =
        (struct client_assertion){.file = file, .audience = audience, .claims = jv_invalid()};
    tzset(); /* while its files can be read: an error may tell a time */
    if (renew(assertion, error))
        return assertion;
    client_assertion_free(assertion);
    return NULL;
}

void client_assertion_free(struct client_assertion *assertion) {
    if (assertion == NULL)
        return;
    settings_secret_free(assertion->text);
    settings_secret_free(assertion->before);
    jv_free(assertion->claims);
    free(assertion);
}

const char *client_assertion_read(struct client_assertion *assertion, struct error *error) {
    struct error why;
    double expires, now = clock_now();
    bool read = renew(assertion, &why);
    if (!read)
        report_verbose(NULL, "%s; the assertion that was read before is used", why.text);
    if (!json_number(assertion->claims, "exp", &expires) || expires > now - CLOCK_SKEW_SECONDS)
        return assertion->text;
    char *time = clock_text(fmax(expires, 0));
    if (read)
        fail(error, STATUS_UNAVAILABLE,
             "%s: this assertion expired at %s, %.0f s ago; whoever makes it must renew it",
             assertion->file, time, now - expires);
    else
        fail(error, STATUS_UNAVAILABLE, "%s; the assertion that was read before expired at %s",
             why.text, time);
    free(time);
    return NULL;
}

jv client_assertion_claims(const struct client_assertion *assertion) {
    return jv_copy(assertion->claims);
}

bool client_assertion_is_spiffe(const struct client_assertion *assertion) {
    static const char scheme[] = "spiffe://";
    const char *subject = json_string(assertion->claims, "sub");
    return subject != NULL && strncmp(subject, scheme, sizeof scheme - 1) == 0;
}

/* The folder of a path, for as long as the process lives; the path itself if that is the root,
 * which would be everything. */
static const char *folder_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash == NULL   ? "."
           : slash == path ? path
                           : settings_keep(must_format("%.*s", (int)(slash - path), path));
}

/* What a link leads to, for as long as the process lives; NULL if the path is no link. */
static const char *target_of(const char *path) {
    char target[4096];
    ssize_t size = readlink(path, target, sizeof target);
    if (size <= 0 || (size_t)size == sizeof target)
        return NULL;
    return settings_keep(*target == '/'
                             ? must_format("%.*s", (int)size, target)
                             : must_format("%s/%.*s", folder_of(path), (int)size, target));
}

void client_assertion_needs(const struct client_assertion *assertion, struct confinement *needs) {
    const char *path = assertion->file;
    for (int i = 0; i < LINKS && path != NULL; i++) {
        confine_add(needs->reads, folder_of(path));
        path = target_of(path);
    }
}
