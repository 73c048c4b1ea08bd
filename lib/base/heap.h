/* A heap of items with due times, the soonest first. */
#ifndef CIBA_BASE_HEAP_H
#define CIBA_BASE_HEAP_H

#include <stddef.h>

/* The first member of every structure that is put into a heap. */
struct heap_item {
    double due; /* seconds since 1970; do not change it while the item is in a heap */
};

/* Zeroed: an empty heap. `items[0]` is the soonest if `count` is not 0. The owner of the heap frees
 * the array; the items stay their owners'. */
struct heap {
    struct heap_item **items;
    size_t count, room;
};

void heap_push(struct heap *heap, struct heap_item *item);

/* Removes and returns the soonest. The heap must not be empty. */
struct heap_item *heap_pop(struct heap *heap);

#endif
