/* A heap of things that are due at some time, the soonest first. */
#ifndef CIBA_HEAP_H
#define CIBA_HEAP_H

#include <stddef.h>

/* Stands first in the structure of what is put in. */
struct heap_item {
    double due; /* seconds since 1970; not to be changed while it is in a heap */
};

/* Zeroed: an empty heap. `items[0]` is the soonest if `count` is not 0. The array is freed by
 * whoever has the heap; what is in it stays its owner's. */
struct heap {
    struct heap_item **items;
    size_t count, room;
};

void heap_push(struct heap *heap, struct heap_item *item);

/* Takes the soonest out of a heap that is not empty. */
struct heap_item *heap_pop(struct heap *heap);

#endif
