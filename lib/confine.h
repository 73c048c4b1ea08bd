/* Least privilege: once a command has read its configuration, and before it reads what others have
 * written, it gives up for good what it does not need.
 *
 * On Linux: no new privileges; no files but these (Landlock, where the kernel has it); no system
 * calls but those of a filter (seccomp): no program is run, no other process is traced or
 * signalled, no memory is both written and executed, nothing is listened on. On OpenBSD: unveil(2)
 * and pledge(2). Elsewhere, and under sanitizers, which need more, nothing is done. */
#ifndef CIBA_CONFINE_H
#define CIBA_CONFINE_H

#include "error.h"

#include <stdbool.h>

enum { CONFINE_PATHS = 12 };

/* What is still needed. Zeroed: stdin, stdout, stderr, and what is open already. */
struct confinement {
    bool off;     /* nothing is given up */
    bool network; /* connects to servers; reads what that takes of the system's own folders */
    bool jobs;    /* makes copies of itself (filter_jobs) */
    bool helper;  /* has programs run by a helper (runner.h) */
    const char *reads[CONFINE_PATHS];  /* files and folders, up to a NULL */
    const char *writes[CONFINE_PATHS]; /* files that are kept, with their folders, and folders that
                                        * need not be there yet, up to a NULL */
};

/* clang-format off */
#define CONFINE_OPTION(confinement) \
    {0, "no-sandbox", NULL, OPTION_FLAG, &(confinement).off, \
     "give up no rights of the process, for debugging"}
/* clang-format on */

/* Adds a path to `reads` or `writes`, which must live until confine; NULL adds nothing. */
void confine_add(const char **paths, const char *path);

/* Gives up the rest. What the kernel does not have is left out; false and an error with status 70
 * where it has it and refuses. */
bool confine(const struct confinement *needs, struct error *error);

#endif
