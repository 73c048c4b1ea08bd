#include "agent/postgres_library.h"

#ifdef POSTGRES

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

#ifdef __APPLE__
#define LIBRARY "libpq.5.dylib"
#else
#define LIBRARY "libpq.so.5"
#endif

struct postgres_library libpq;

/* Sets a pointer to a function: C has no conversion from dlsym's pointer to it. */
static bool find(void *library, const char *name, void *pointer, size_t size, struct error *error) {
    void *address = dlsym(library, name);
    if (address == NULL || size != sizeof address)
        return fail(error, STATUS_UNAVAILABLE,
                    "%s: is too old, as it has no %s; a spool in PostgreSQL needs version 12 or "
                    "later of it",
                    LIBRARY, name);
    memcpy(pointer, &address, size);
    return true;
}

bool postgres_library_load(struct error *error) {
    static bool loaded;
    if (loaded)
        return true;
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        return fail(error, STATUS_UNAVAILABLE,
                    "a spool in PostgreSQL needs its client library: %s is not installed (Debian: "
                    "libpq5)",
                    LIBRARY);
#define FIND(name) &&find(library, #name, &libpq.name, sizeof libpq.name, error)
    loaded = true POSTGRES_FUNCTIONS(FIND);
    return loaded;
}

#else

bool postgres_library_load(struct error *error) {
    return fail(
        error, STATUS_UNAVAILABLE,
        "this build cannot use PostgreSQL (it is static, libpq-fe.h was missing, or POSTGRES=no); "
        "name a folder, or use another build");
}

#endif
