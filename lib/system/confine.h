/* Least privilege. A command reads its configuration, then gives up for good the rights it does not
 * need, and only then reads input from others.
 *
 * On Linux: no new privileges; only the listed files (Landlock, where the kernel has it); only the
 * system calls that a filter allows (seccomp): no running of programs, tracing, signalling,
 * executable memory or listening. On OpenBSD: unveil(2) and pledge(2). Elsewhere, and under
 * sanitizers, which need more rights, it does nothing. */
#ifndef CIBA_SYSTEM_CONFINE_H
#define CIBA_SYSTEM_CONFINE_H

#include "base/error.h"
#include "system/confinement.h"

#include <stdbool.h>

/* clang-format off */
#define CONFINE_OPTIONS(confinement) \
    {0, "no-confinement", NULL, OPTION_FLAG, &(confinement).off, \
     "give up no rights of the process, for debugging"}, \
    {0, "require-confinement", NULL, OPTION_FLAG, &(confinement).required, \
     "end with 78 if not all of them can be given up"}
/* clang-format on */

/* Adds a path to `reads` or `writes`, which must live until confine; NULL adds nothing. */
void confine_add(const char **paths, const char *path);

/* Gives up the rest. Skips what the kernel does not have; verbose output lists it. False and an
 * error: 70 if the kernel has it and refuses, 78 if confinement is required and not available, 64
 * if it is required and also off. */
bool confine(const struct confinement *needs, struct error *error);

/* After confine: what this system or build lacks for it: "Landlock", "seccomp" or both, "a
 * sandbox". NULL for nothing. */
const char *confine_missing(void);

/* After confine, if nothing is missing: by what it is confined, as "Landlock (ABI 4) and seccomp";
 * else "". */
const char *confine_done(void);

#endif
