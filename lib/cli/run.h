/* What a command does after parsing its options: configure, confine, work, release. */
#ifndef CIBA_CLI_RUN_H
#define CIBA_CLI_RUN_H

#include "base/error.h"
#include "system/confinement.h"

#include <stdbool.h>

struct command_parts {
    /* Prepares everything for the work, and adds to `needs` what it needs of the system. False and
     * an error. */
    bool (*configure)(void *job, struct error *error);
    const struct confinement *needs;
    int (*work)(void *job); /* reports failures and returns the exit status */
    void (*release)(
        void *job); /* frees the job, whether or not it was fully configured; NULL for nothing */
};

/* Returns the exit status. If configuring or confining fails, reports that and does not work. */
int command_run(const struct command_parts *parts, void *job);

#endif
