/* The providers whose ways differ from the rest in what a client must know before it asks. */
#ifndef CIBA_CIBA_KNOWN_PROVIDER_H
#define CIBA_CIBA_KNOWN_PROVIDER_H

#include <stdbool.h>

struct known_provider {
    const char *name;
    const char *path;   /* of its backchannel_authentication_endpoint */
    bool is_whole_path; /* else the path ends so */
    long phone_seconds; /* a requested_expiry above this is asked by e-mail; 0 for no such limit */
    const char *unavailable; /* what its 503 may mean, NULL for nothing but that */
};

/* The provider with this endpoint in its metadata; NULL if it is none of them. */
const struct known_provider *known_provider(const char *endpoint);

#endif
