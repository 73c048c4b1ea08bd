/* A set of ids (mcp_id_key). */
#ifndef CIBA_GATE_ID_SET_H
#define CIBA_GATE_ID_SET_H

#include "json/span.h"

#include <stdbool.h>
#include <stddef.h>

/* Zeroed: empty. */
struct id_set {
    void *tree; /* of tsearch(3) */
    size_t count;
};

/* Adds an id, which it takes, if it is not there. */
void id_set_add(struct id_set *set, char *key);

bool id_set_has(const struct id_set *set, struct json_span id);

/* Whether the id was there; now it is not. */
bool id_set_take(struct id_set *set, struct json_span id);

void id_set_free(struct id_set *set);

#endif
