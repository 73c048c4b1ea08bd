#include "agent/stores.h"

#include "agent/postgres_store.h"
#include "agent/postgres_url.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

const struct store_kind *store_kind_of(const char *where) {
    return postgres_url_is(where) ? &postgres_store : &folder_store;
}

/* A password can have any character: what is not clearly behind it is left out. */
static char *shown_url(const char *url) {
    const char *user = strrchr(url, '@'), *query = strchr(url, '?');
    if (user != NULL && query != NULL && query < user)
        return must_copy("postgresql");
    const char *from = user != NULL ? user + 1 : strstr(url, "://") + 3;
    return must_format("postgresql://%.*s", (int)strcspn(from, "?"), from);
}

char *store_shown(const char *where) {
    if (postgres_url_is(where))
        return shown_url(where);
    char *path = realpath(where, NULL);
    return path != NULL ? path : must_copy(where);
}
