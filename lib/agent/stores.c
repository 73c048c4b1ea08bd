#include "agent/stores.h"

#include "agent/postgres_store.h"

const struct store_kind *store_kind_of(const char *where) {
    return postgres_url_is(where) ? &postgres_store : &folder_store;
}
