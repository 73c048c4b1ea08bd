#include "report/totals.h"

#include "base/memory.h"
#include "report/when.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const group_kind_words[GROUP_KINDS] = {
    [BY_DAY] = "day", [BY_TOOL] = "tool", [BY_USER] = "user", [BY_AGENT] = "agent"};

enum { HALF = TIMES_EXACT / 2 };

/* From TIMES_EXACT on each doubling has HALF places. */
size_t times_place(double seconds) {
    unsigned long whole = seconds > 0 ? (unsigned long)seconds : 0;
    size_t shift = 0;
    while (whole >> shift >= TIMES_EXACT)
        shift++;
    return shift == 0 ? whole : TIMES_EXACT + (shift - 1) * HALF + ((whole >> shift) - HALF);
}

double times_of_place(size_t place) {
    if (place < TIMES_EXACT)
        return (double)place;
    size_t shift = (place - TIMES_EXACT) / HALF + 1;
    return ldexp((double)((place - TIMES_EXACT) % HALF + HALF), (int)shift);
}

static void add_time(struct times *times, double seconds) {
    size_t place = times_place(seconds);
    if (place >= times->room) {
        size_t room = 2 * place + 64;
        times->counts = must_grow(times->counts, room * sizeof *times->counts);
        memset(times->counts + times->room, 0, (room - times->room) * sizeof *times->counts);
        times->room = room;
    }
    times->counts[place]++;
    times->count++;
}

double times_part(const struct times *times, double part) {
    double wanted = ceil(part * (double)times->count), seen = 0;
    for (size_t i = 0; i < times->room; i++) {
        seen += times->counts[i];
        if (times->counts[i] > 0 && seen >= wanted)
            return times_of_place(i);
    }
    return -1;
}

double group_rate(const struct group *group) {
    const unsigned long *outcomes = group->outcomes;
    unsigned long decided =
        outcomes[OUTCOME_APPROVED] + outcomes[OUTCOME_DENIED] + outcomes[OUTCOME_EXPIRED];
    return decided > 0 ? (double)outcomes[OUTCOME_APPROVED] / (double)decided : -1;
}

static void count(struct group *group, const struct reported_call *call) {
    group->calls++;
    group->outcomes[call->outcome]++;
    group->done[call->done]++;
    if (call->outcome <= OUTCOME_DENIED && call->seconds >= 0)
        add_time(&group->times, call->seconds);
}

/* FNV-1a. */
static uint64_t hash_of(const char *name) {
    uint64_t hash = 14695981039346656037U;
    for (; *name != '\0'; name++)
        hash = (hash ^ (unsigned char)*name) * 1099511628211U;
    return hash;
}

static struct group *find(struct groups *groups, const char *name) {
    uint64_t hash = hash_of(name);
    for (size_t i = 0; i < groups->count; i++)
        if (groups->groups[i].hash == hash && strcmp(groups->groups[i].name, name) == 0)
            return &groups->groups[i];
    if (groups->count >= GROUPS_LIMIT)
        name = GROUP_OTHERS;
    if (groups->count > GROUPS_LIMIT)
        return &groups->groups[GROUPS_LIMIT];
    if (groups->groups == NULL)
        groups->groups = must_alloc((GROUPS_LIMIT + 1) * sizeof *groups->groups);
    struct group *group = &groups->groups[groups->count++];
    *group = (struct group){.name = must_copy(name), .hash = hash_of(name)};
    return group;
}

void totals_add(struct totals *totals, const struct reported_call *call) {
    char day[WHEN_DATE];
    const char *names[GROUP_KINDS] = {[BY_DAY] = day,
                                      [BY_TOOL] = call->text[CALL_TOOL],
                                      [BY_USER] = call->text[CALL_USER],
                                      [BY_AGENT] = call->text[CALL_AGENT]};
    when_text(call->first, day, sizeof day);
    count(&totals->all, call);
    for (int kind = 0; kind < GROUP_KINDS; kind++)
        count(find(&totals->by[kind], names[kind] != NULL ? names[kind] : "-"), call);
}

static int by_name(const void *one, const void *other) {
    const struct group *a = one, *b = other;
    return strcmp(a->name, b->name);
}

static int by_calls(const void *one, const void *other) {
    const struct group *a = one, *b = other;
    return a->calls != b->calls ? (a->calls < b->calls ? 1 : -1) : by_name(one, other);
}

void totals_sort(struct totals *totals) {
    for (int kind = 0; kind < GROUP_KINDS; kind++)
        if (totals->by[kind].count > 0)
            qsort(totals->by[kind].groups, totals->by[kind].count, sizeof(struct group),
                  kind == BY_DAY ? by_name : by_calls);
}

void totals_free(struct totals *totals) {
    free(totals->all.times.counts);
    for (int kind = 0; kind < GROUP_KINDS; kind++) {
        for (size_t i = 0; i < totals->by[kind].count; i++) {
            free(totals->by[kind].groups[i].name);
            free(totals->by[kind].groups[i].times.counts);
        }
        free(totals->by[kind].groups);
    }
}
