/* What a list (spool_list.h) knows. */
#ifndef CIBA_AGENT_LIST_STATE_H
#define CIBA_AGENT_LIST_STATE_H

#include "agent/list_settings.h"
#include "agent/store.h"
#include "base/text.h"
#include "system/confinement.h"

#include <stdbool.h>
#include <stddef.h>

struct listed {
    char *name;              /* as it is shown: nothing secret */
    struct store *store;     /* NULL if it could not be opened */
    long count[LIST_STATES]; /* documents that were listed, or had no room */
};

struct spool_list {
    struct spool_list_settings settings;
    double since;
    struct listed *spools;
    size_t count;
    int status;
    /* While a table is printed. */
    struct text out;
    size_t width, most;      /* of the terminal; lines that fit, 0 for any */
    size_t lines, hidden;    /* made; documents that had no room */
    bool has_header, failed; /* `failed`: stdout cannot be written */
    double now;
};

/* spool_list.c: adds the table to list->out; writes it meanwhile unless list->most is set. */
void list_table(struct spool_list *list);

/* Writes list->out and empties it. */
void list_flush(struct spool_list *list);

/* Whether documents in this place may have to be listed. */
bool list_wants(const struct spool_list *list, enum store_place place);

/* list_metrics.c: adds the metrics to list->out. */
void list_metrics(struct spool_list *list);

/* list_watch.c: whether stdin and stdout are a terminal; adds what is needed of the system. False
 * and an error with status 64. */
bool list_watch_open(struct confinement *needs, struct error *error);

/* Shows the table until q, SIGINT or SIGTERM. */
void list_watch(struct spool_list *list);

#endif
