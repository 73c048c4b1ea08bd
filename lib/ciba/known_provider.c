#include "ciba/known_provider.h"

#include <stddef.h>
#include <string.h>

static const struct known_provider providers[] = {
    /* Others have /oauth2/bc-authorize, and none of Auth0's rules. */
    {"Auth0", "/bc-authorize", true, 300, NULL},
    {"Keycloak", "/protocol/openid-connect/ext/ciba/auth", false, 0,
     "Keycloak has no phone: it answers so until it reaches an authentication channel, which you "
     "provide; ciba-channel(1) is one"},
};

/* Sets *size to that of the URL's path, without query and fragment. */
static const char *path_of(const char *url, size_t *size) {
    const char *host = strstr(url, "://");
    host = host != NULL ? host + strlen("://") : url;
    const char *path = host + strcspn(host, "/?#");
    *size = strcspn(path, "?#");
    return path;
}

const struct known_provider *known_provider(const char *endpoint) {
    size_t size;
    const char *path = path_of(endpoint, &size);
    for (size_t i = 0; i < sizeof providers / sizeof *providers; i++) {
        size_t end = strlen(providers[i].path);
        if ((providers[i].is_whole_path ? size == end : size >= end) &&
            strncmp(path + size - end, providers[i].path, end) == 0)
            return &providers[i];
    }
    return NULL;
}
