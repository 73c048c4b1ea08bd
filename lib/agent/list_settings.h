/* What a list of spools (spool_list.h) is told. */
#ifndef CIBA_AGENT_LIST_SETTINGS_H
#define CIBA_AGENT_LIST_SETTINGS_H

#include "agent/list_facts.h"

#include <stdbool.h>

struct spool_list_settings {
    bool json;              /* a line of JSON for each document */
    bool metrics;           /* in Prometheus' text format (list_metrics.h) */
    bool watch;             /* on the terminal, again and again (list_watch.h) */
    bool only[LIST_STATES]; /* only documents in these states; none for all */
    const char *since;      /* only what was heard of since then (moment.h), NULL for all */
};

/* The settings' options. */
/* clang-format off */
#define SPOOL_LIST_OPTIONS(settings) \
    {0, "json", NULL, OPTION_FLAG, &(settings).json, \
     "list: print a line of JSON for each document"}, \
    {0, "metrics", NULL, OPTION_FLAG, &(settings).metrics, \
     "list: print numbers for Prometheus"}, \
    {0, "watch", NULL, OPTION_FLAG, &(settings).watch, \
     "list: show it on the terminal until q"}, \
    {0, "pending", NULL, OPTION_FLAG, &(settings).only[LIST_PENDING], \
     "list: those whose user has not decided"}, \
    {0, "queued", NULL, OPTION_FLAG, &(settings).only[LIST_QUEUED], \
     "list: the others in the queue"}, \
    {0, "failed", NULL, OPTION_FLAG, &(settings).only[LIST_FAILED], "list: those that failed"}, \
    {0, "done", NULL, OPTION_FLAG, &(settings).only[LIST_DONE], "list: those that are done"}, \
    {0, "since", "TIME", OPTION_TEXT, &(settings).since, \
     "list: what is new since then: 2h, today, 2026-11-26"}
/* clang-format on */

#endif
