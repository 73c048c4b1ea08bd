#include "agent/stores.h"

#include <string.h>

/* How the addresses begin that are no folders. `kind` is NULL where it is not built. */
static const struct {
    const char *beginning, *what;
    const struct store_kind *kind;
} addresses[] = {{"postgresql://", "PostgreSQL", NULL}, {"postgres://", "PostgreSQL", NULL}};

const struct store_kind *store_kind_of(const char *where, struct error *error) {
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        if (strncmp(where, addresses[i].beginning, strlen(addresses[i].beginning)) != 0)
            continue;
        if (addresses[i].kind == NULL)
            fail(error, STATUS_CONFIG, "this agent-spool was built without %s", addresses[i].what);
        return addresses[i].kind;
    }
    return &folder_store;
}
