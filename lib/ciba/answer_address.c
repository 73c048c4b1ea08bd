#include "ciba/answer_address.h"

#include "http/url.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>

/* Whether it can be printed, and opened, as it is. */
static bool is_plain(const char *url) {
    bool plain = true;
    for (const char *c = url; plain && *c != '\0'; c++)
        plain = *c > ' ' && *c < 127 && strchr("\"<>\\^`{|}", *c) == NULL;
    return plain;
}

static bool is_sound(const char *url, const char *name, struct error *error) {
    struct error why = {STATUS_DONE, ""};
    char *host = NULL;
    bool plain;
    if (strlen(url) > ANSWER_ADDRESS_LIMIT)
        fail(&why, STATUS_PROTOCOL, "it is longer than %d characters", ANSWER_ADDRESS_LIMIT);
    else if (!is_plain(url))
        fail(&why, STATUS_PROTOCOL, "it has characters that no URL has");
    else
        host = http_url_host(url, &plain, &why);
    free(host);
    return host != NULL ||
           fail(error, STATUS_PROTOCOL, "the provider's %s is not used: %.500s", name, why.text);
}

const char *answer_address(jv body, struct error *error) {
    static const char *const members[] = {"verification_uri_complete", "auth_url"};
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        const char *url = json_string(body, members[i]);
        if (url != NULL && *url != '\0' && is_sound(url, members[i], error))
            return url;
    }
    return NULL;
}
