/* The authentication channel of Keycloak: what it is set up with. */
#ifndef CIBA_CHANNEL_CHANNEL_H
#define CIBA_CHANNEL_CHANNEL_H

#include "oauth/issuer.h"

#include <stdbool.h>

struct channel {
    struct issuer issuer;       /* the realm, which takes the answers */
    const char *directory;      /* see question_spool.h */
    const char *url;            /* the page's address, ends with a slash */
    const char *secret;         /* the end of the address that Keycloak posts to */
    const char *notify_command; /* NULL for none */
    const char *audit;          /* the audit log, NULL for none */
    const char *user_claim;     /* the claim of the proxy's token; NULL: the web server's user */
    const char *audience;       /* what that token must be for */
};

#endif
