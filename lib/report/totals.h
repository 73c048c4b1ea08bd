/* Counts over reported calls: by outcome, by day, tool, user and agent, and how long answers
 * took. */
#ifndef CIBA_REPORT_TOTALS_H
#define CIBA_REPORT_TOTALS_H

#include "report/calls.h"

#include <stddef.h>
#include <stdint.h>

enum {
    GROUPS_LIMIT = 1000, /* of each kind; what comes then is counted as one, GROUP_OTHERS */
    TIMES_EXACT = 1024,  /* seconds: shorter times are counted each; longer ones within 0.2 % */
};
#define GROUP_OTHERS "(others)"

/* How often each time was taken. Zeroed at first; the owner frees `counts`. */
struct times {
    uint32_t *counts;
    size_t room;
    unsigned long count;
};

/* The time that this part of them, from 0 to 1, took at most: the least such; -1 for none. */
double times_part(const struct times *times, double part);

/* The place of a time in `counts`, and the least time of a place. */
size_t times_place(double seconds);
double times_of_place(size_t place);

struct group {
    char *name;    /* NULL for all */
    uint64_t hash; /* of the name: names can be long, and begin alike */
    unsigned long calls, outcomes[OUTCOMES], done[DONES];
    struct times times;
};

/* Approvals of the decided questions, from 0 to 1; -1 if there are none. */
double group_rate(const struct group *group);

enum group_kind { BY_DAY, BY_TOOL, BY_USER, BY_AGENT, GROUP_KINDS };
extern const char *const group_kind_words[GROUP_KINDS];

struct groups {
    struct group *groups;
    size_t count;
};

/* Zeroed at first. */
struct totals {
    struct group all;
    struct groups by[GROUP_KINDS];
};

void totals_add(struct totals *totals, const struct reported_call *call);

/* Sorts: days by date, others by the number of calls, then by name. */
void totals_sort(struct totals *totals);
void totals_free(struct totals *totals);

#endif
