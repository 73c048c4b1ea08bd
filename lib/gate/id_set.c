#include "gate/id_set.h"

#include "base/memory.h"
#include "mcp/message.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

static int by_text(const void *one, const void *other) {
    return strcmp(one, other);
}

void id_set_add(struct id_set *set, char *key) {
    void *node = tsearch(key, &set->tree, by_text);
    if (node == NULL)
        out_of_memory();
    if (*(char **)node == key)
        set->count++;
    else
        free(key);
}

bool id_set_has(const struct id_set *set, struct json_span id) {
    char *key = set->count > 0 ? mcp_id_key(id) : NULL;
    bool has = key != NULL && tfind(key, &set->tree, by_text) != NULL;
    free(key);
    return has;
}

static void drop(struct id_set *set, void *node) {
    char *found = *(char **)node;
    tdelete(found, &set->tree, by_text);
    free(found);
    set->count--;
}

bool id_set_take(struct id_set *set, struct json_span id) {
    char *key = set->count > 0 ? mcp_id_key(id) : NULL;
    void *node = key != NULL ? tfind(key, &set->tree, by_text) : NULL;
    if (node != NULL)
        drop(set, node);
    free(key);
    return node != NULL;
}

void id_set_free(struct id_set *set) {
    while (set->tree != NULL)
        drop(set, set->tree);
}
