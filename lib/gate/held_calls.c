#include "gate/held_calls.h"

#include "base/memory.h"
#include "mcp/message.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

/* What the tree has are the keys of the calls. */
static int by_id(const void *one, const void *other) {
    return strcmp(one, other);
}

static int by_number(const void *one, const void *other) {
    const struct held_call *a = one, *b = other;
    return a->number < b->number ? -1 : a->number > b->number;
}

static struct held_call *found(void *node) {
    return node != NULL ? *(struct held_call **)node : NULL;
}

struct held_call *held_calls_by_id(const struct held_calls *calls, struct json_span id) {
    if (calls->count == 0)
        return NULL;
    char *key = mcp_id_key(id);
    char **node = tfind(key, &calls->by_id, by_id);
    free(key);
    return node != NULL ? (struct held_call *)(*node - offsetof(struct held_call, id_key)) : NULL;
}

struct held_call *held_calls_by_number(const struct held_calls *calls, unsigned long number) {
    struct held_call like = {.number = number};
    return found(tfind(&like, &calls->by_number, by_number));
}

/* The same part of the copied line. */
static struct json_span moved(struct json_span part, const char *from, const char *to) {
    return part.text != NULL ? (struct json_span){to + (part.text - from), part.size} : part;
}

struct held_call *held_calls_add(struct held_calls *calls, struct json_span line,
                                 struct json_span id, struct json_span progress) {
    if (held_calls_by_id(calls, id) != NULL)
        return NULL;
    char *key = mcp_id_key(id), *copy = json_span_copy(line);
    struct held_call *call = must_alloc(sizeof *call + strlen(key) + 1);
    *call = (struct held_call){.next = calls->first,
                               .number = ++calls->last,
                               .id = moved(id, line.text, copy),
                               .progress = moved(progress, line.text, copy),
                               .line = copy,
                               .size = line.size};
    strcpy(call->id_key, key);
    free(key);
    if (tsearch(call->id_key, &calls->by_id, by_id) == NULL ||
        tsearch(call, &calls->by_number, by_number) == NULL)
        out_of_memory();
    if (calls->first != NULL)
        calls->first->previous = call;
    calls->first = call;
    calls->count++;
    calls->waiting++;
    calls->progressing += progress.text != NULL;
    calls->size += call->size;
    return call;
}

void held_calls_pass(struct held_calls *calls, struct held_call *call) {
    char *id = json_span_copy(call->id);
    calls->size -= call->size;
    calls->waiting--;
    calls->progressing -= call->progress.text != NULL;
    free(call->line);
    call->line = id;
    call->id.text = id;
    call->size = 0;
    call->progress = (struct json_span){NULL, 0};
    call->passed = true;
}

void held_calls_remove(struct held_calls *calls, struct held_call *call) {
    tdelete(call->id_key, &calls->by_id, by_id);
    tdelete(call, &calls->by_number, by_number);
    if (call->previous != NULL)
        call->previous->next = call->next;
    else
        calls->first = call->next;
    if (call->next != NULL)
        call->next->previous = call->previous;
    calls->count--;
    calls->waiting -= !call->passed;
    calls->progressing -= call->progress.text != NULL;
    calls->size -= call->size;
    free(call->line);
    free(call->task);
    free(call);
}
