/* landlock-abi: prints this kernel's Landlock version, 0 for none. */
#include <linux/landlock.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void) {
    long abi =
        syscall(SYS_landlock_create_ruleset, NULL, 0, (unsigned)LANDLOCK_CREATE_RULESET_VERSION);
    printf("%ld\n", abi > 0 ? abi : 0);
    return 0;
}
