#include "base/heap.h"

#include "base/error.h"

#include <stdlib.h>

static void swap(struct heap *heap, size_t a, size_t b) {
    struct heap_item *held = heap->items[a];
    heap->items[a] = heap->items[b];
    heap->items[b] = held;
}

void heap_push(struct heap *heap, struct heap_item *item) {
    if (heap->count == heap->room) {
        heap->room = 2 * heap->room + 16;
        heap->items = must_grow(heap->items, heap->room * sizeof *heap->items);
    }
    size_t at = heap->count++;
    heap->items[at] = item;
    while (at > 0 && heap->items[at]->due < heap->items[(at - 1) / 2]->due) {
        swap(heap, at, (at - 1) / 2);
        at = (at - 1) / 2;
    }
}

struct heap_item *heap_pop(struct heap *heap) {
    struct heap_item *first = heap->items[0];
    heap->items[0] = heap->items[--heap->count];
    for (size_t at = 0, least;; at = least) {
        size_t child = 2 * at + 1;
        least = at;
        for (size_t i = child; i < child + 2 && i < heap->count; i++)
            if (heap->items[i]->due < heap->items[least]->due)
                least = i;
        if (least == at)
            return first;
        swap(heap, at, least);
    }
}
