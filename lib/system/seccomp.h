/* Linux's seccomp, with which a process gives up system calls. For confine.c. */
#ifndef CIBA_SYSTEM_SECCOMP_H
#define CIBA_SYSTEM_SECCOMP_H

#include "system/confinement.h"

#include <stdbool.h>

/* Allows only the system calls that are needed, in all threads; others fail with ENOSYS:
 * seccomp(2). True if that is done or the kernel lacks it (`had` tells which), else false with
 * errno. */
bool linux_seccomp(const struct confinement *needs, bool *had);

#endif
