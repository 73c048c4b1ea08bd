#define _GNU_SOURCE /* O_PATH */
#include "system/landlock.h"

#include "base/memory.h"
#include "system/confine_linux.h"

#ifdef __linux__

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    LEAST_ABI = 2, /* earlier ones prevent renaming files into another folder */
    TRUNCATE = 1 << 14,
    RESOLVE_UNIX = 1 << 16,
    EVERY_RIGHT = (1 << 14) - 1, /* of ABI 2 */
    BIND_TCP = 1 << 0,
    CONNECT_TCP = 1 << 1,
    READS = LANDLOCK_ACCESS_FS_READ_FILE /* of a file */
};

/* struct landlock_ruleset_attr; the installed headers may only have its first member. */
struct handled {
    uint64_t files, network, scopes;
};

/* Added after LEAST_ABI. */
static const struct {
    long abi;
    struct handled adds;
} later[] = {
    {3, {.files = TRUNCATE}},         {4, {.network = BIND_TCP}},
    {5, {.files = 1 << 15}},          /* ioctl(2) of a device */
    {6, {.scopes = 1 << 0 | 1 << 1}}, /* abstract unix(7) sockets and signals to other processes */
    {9, {.files = RESOLVE_UNIX}},     /* unix(7) sockets of other processes */
};

static struct handled handled_by(long abi, bool network) {
    struct handled handled = {.files = EVERY_RIGHT};
    for (size_t i = 0; i < sizeof later / sizeof *later && later[i].abi <= abi; i++) {
        handled.files |= later[i].adds.files;
        handled.network |= later[i].adds.network;
        handled.scopes |= later[i].adds.scopes;
    }
    if (handled.network != 0 && !network)
        handled.network |= CONNECT_TCP;
    return handled;
}

static const uint64_t reads_folder = READS | LANDLOCK_ACCESS_FS_READ_DIR;
static const uint64_t writes_folder =
    READS | LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_WRITE_FILE |
    LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_DIR |
    LANDLOCK_ACCESS_FS_REFER | TRUNCATE;

/* A path that does not exist needs no rule. */
static bool allow(int ruleset, const char *path, uint64_t rights) {
    struct stat facts;
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return true;
    bool is_folder = fstat(fd, &facts) == 0 && S_ISDIR(facts.st_mode);
    struct landlock_path_beneath_attr rule = {.allowed_access = is_folder ? rights : READS,
                                              .parent_fd = fd};
    bool good = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
    close(fd);
    return good;
}

/* A folder itself; for a file or a path to be created, its folder. */
static bool allow_writing(int ruleset, const char *path, uint64_t rights) {
    struct stat facts;
    if (stat(path, &facts) == 0 && S_ISDIR(facts.st_mode))
        return allow(ruleset, path, rights);
    const char *slash = strrchr(path, '/');
    char *folder = slash == NULL ? must_copy(".") : must_copy(path);
    if (slash != NULL)
        folder[slash == path ? 1 : slash - path] = '\0';
    bool good = allow(ruleset, folder, rights);
    free(folder);
    return good;
}

/* Where names, certificates and libraries are looked up. Folders, because their files may be
 * replaced while a command waits for hours. */
static const char *const system_folders[] = {"/etc",
                                             "/usr",
                                             "/lib",
                                             "/lib32",
                                             "/lib64",
                                             "/nix/store",
                                             "/gnu/store",
                                             "/run/systemd/resolve",
                                             "/run/resolvconf",
                                             "/run/NetworkManager",
                                             "/run/connman",
                                             "/dev/null",
                                             "/dev/urandom",
                                             "/dev/random",
                                             NULL};

bool linux_landlock(const struct confinement *needs, long *had) {
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    *had = abi >= LEAST_ABI ? abi : 0;
    if (*had == 0)
        return abi >= 0 || linux_is_absent(errno);
    struct handled handled = handled_by(abi, needs->network);
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &handled, sizeof handled, 0);
    bool good = ruleset >= 0;
    for (const char *const *path = system_folders; good && needs->network && *path != NULL; path++)
        good = allow(ruleset, *path, reads_folder);
    for (const char *const *path = needs->reads; good && *path != NULL; path++)
        good = allow(ruleset, *path, reads_folder);
    for (const char *const *path = needs->writes; good && *path != NULL; path++)
        good = allow_writing(ruleset, *path, writes_folder & handled.files);
    if (good && needs->sockets != NULL && (handled.files & RESOLVE_UNIX) != 0)
        good = allow(ruleset, needs->sockets, RESOLVE_UNIX);
    good = good && syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
    if (ruleset >= 0)
        close(ruleset);
    return good;
}

#endif
