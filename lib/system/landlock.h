/* Linux's Landlock, with which a process gives up files and more. For confine.c. */
#ifndef CIBA_SYSTEM_LANDLOCK_H
#define CIBA_SYSTEM_LANDLOCK_H

#include "system/confinement.h"

#include <stdbool.h>

/* Allows only the files that are needed, no binding of TCP ports, and no abstract unix(7) sockets
 * of, or signals to, other processes: landlock(7), ABI 2 and later; each later ABI restricts more.
 * True if that is done (`had` is the kernel's ABI) or the kernel lacks it (0), else false with
 * errno. */
bool linux_landlock(const struct confinement *needs, long *had);

#endif
