/* Lists agent spools: as a table for people, as JSON, or as metrics. */
#ifndef CIBA_AGENT_SPOOL_LIST_H
#define CIBA_AGENT_SPOOL_LIST_H

#include "agent/list_settings.h"
#include "system/confinement.h"

struct spool_list;

/* Opens the spools with these names (up to a NULL), adds what they need of the system, and prepares
 * the terminal for `watch`. One that cannot be opened is reported, and the others are listed. The
 * settings and names stay the caller's. Free it whatever comes. NULL and an error: 64 for settings
 * that do not go together, 66, 69, 77, 78 if none could be opened. */
struct spool_list *spool_list_open(const struct spool_list_settings *settings,
                                   const char *const *names, struct confinement *needs,
                                   struct error *error);

/* Lists them. A reader of stdout that has gone ends the process by SIGPIPE. Reports failures and
 * returns the exit status. */
int spool_list_print(struct spool_list *list);

/* Takes NULL, too. */
void spool_list_free(struct spool_list *list);

#endif
