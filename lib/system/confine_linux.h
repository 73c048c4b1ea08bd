/* What a process does on Linux before landlock.h and seccomp.h. For confine.c. */
#ifndef CIBA_SYSTEM_CONFINE_LINUX_H
#define CIBA_SYSTEM_CONFINE_LINUX_H

#include "system/confinement.h"

#include <stdbool.h>

/* Loads the code that libraries would otherwise load on demand, because it cannot be loaded later:
 * what OpenSSL's configuration names, and the host services of nsswitch.conf(5). */
void linux_load_code(const struct confinement *needs);

/* From now on no program that this process runs gains rights: prctl(2), PR_SET_NO_NEW_PRIVS. False
 * with errno. */
bool linux_no_new_privileges(void);

/* Whether errno means that the kernel lacks a feature or has it disabled. */
bool linux_is_absent(int problem);

#endif
