/* The three means by which Linux lets a process give up rights, for confine.c. Each: true where it
 * is done or the kernel does not have it, else false with errno. */
#ifndef CIBA_CONFINE_LINUX_H
#define CIBA_CONFINE_LINUX_H

#include "confine.h"

/* Nothing that is run from now on has more rights than this process: prctl(2), PR_SET_NO_NEW_PRIVS.
 */
bool linux_no_new_privileges(void);

/* No files but those that are needed: landlock(7), ABI 1 and later. */
bool linux_landlock(const struct confinement *needs);

/* No system calls but those that are needed; any other fails with ENOSYS: seccomp(2). */
bool linux_seccomp(const struct confinement *needs);

#endif
