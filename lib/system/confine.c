#include "system/confine.h"

#include "base/sanitized.h"
#include "system/confine_linux.h"
#include "system/landlock.h"
#include "system/seccomp.h"
#include "system/stage_socket.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#ifdef __OpenBSD__
#include <unistd.h>
#endif

void confine_add(const char **paths, const char *path) {
    size_t i = 0;
    while (i < CONFINE_PATHS - 1 && paths[i] != NULL)
        i++;
    paths[i] = path;
}

/* The results of confine_missing and confine_done. */
static const char *missing;
static char done[60];

#ifdef __OpenBSD__

/* The folder too, because a file is created and renamed in it. */
static bool unveil_folder_of(const char *path) {
    char folder[4096];
    const char *slash = strrchr(path, '/');
    size_t size = slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
    if (size >= sizeof folder)
        return false;
    memcpy(folder, slash == NULL ? "." : path, slash == NULL ? 1 : size);
    folder[slash == NULL ? 1 : size] = '\0';
    return unveil(folder, "rwc") == 0;
}

static bool drop(const struct confinement *needs) {
    static const char *const system[] = {"/etc", "/usr/share", "/usr/lib", "/usr/local/share"};
    bool good = true, writes = needs->writes[0] != NULL, reads = writes || needs->reads[0] != NULL;
    for (size_t i = 0; good && needs->network && i < sizeof system / sizeof *system; i++)
        good = unveil(system[i], "r") == 0 || errno == ENOENT;
    for (const char *const *path = needs->reads; good && *path != NULL; path++)
        good = unveil(*path, "r") == 0 || errno == ENOENT;
    for (const char *const *path = needs->writes; good && *path != NULL; path++)
        good = unveil_folder_of(*path) && (unveil(*path, "rwc") == 0 || errno == ENOENT);
    if (good && needs->sockets != NULL)
        good = unveil(needs->sockets, "rw") == 0;
    char promises[100] = "stdio";
    strlcat(promises, needs->network ? " inet dns rpath" : reads ? " rpath" : "", sizeof promises);
    strlcat(promises, needs->sockets != NULL ? " unix" : "", sizeof promises);
    strlcat(promises, needs->terminal ? " tty" : "", sizeof promises);
    strlcat(promises, writes ? " wpath cpath fattr flock" : "", sizeof promises);
    strlcat(promises, needs->jobs ? " proc" : "", sizeof promises);
    strlcat(promises, needs->helper || stage_role() != STAGE_ABSENT ? " sendfd recvfd" : "",
            sizeof promises);
    snprintf(done, sizeof done, "unveil and pledge");
    return good && pledge(promises, "") == 0;
}

#elif defined(__linux__) && !defined(SANITIZED)

static bool drop(const struct confinement *needs) {
    long landlock = 0;
    bool seccomp = false;
    linux_load_code(needs);
    bool good = linux_no_new_privileges() && linux_landlock(needs, &landlock) &&
                linux_seccomp(needs, &seccomp);
    missing = landlock != 0 && seccomp ? NULL
              : landlock != 0          ? "seccomp"
              : seccomp                ? "Landlock"
                                       : "Landlock and seccomp";
    if (missing == NULL)
        snprintf(done, sizeof done, "Landlock (ABI %ld) and seccomp", landlock);
    return good;
}

#else

static bool drop(const struct confinement *needs) {
    (void)needs;
    missing = "a way to confine it";
    return true;
}

#endif

const char *confine_missing(void) {
    return missing;
}

const char *confine_done(void) {
    return done;
}

bool confine(const struct confinement *needs, struct error *error) {
    if (needs->off)
        return !needs->required ||
               fail(error, STATUS_USAGE,
                    "--no-confinement and --require-confinement exclude each other");
    if (!drop(needs))
        return fail(error, STATUS_INTERNAL,
                    "the process could not be confined: %s; --no-confinement does without",
                    strerror(errno));
    if (missing != NULL && needs->required)
        return fail(error, STATUS_CONFIG,
                    "the process cannot be confined: this system does not have %s, and "
                    "--require-confinement does not do without",
                    missing);
    if (missing != NULL)
        report_verbose("confinement",
                       "this system does not have %s; the process keeps rights that it does "
                       "not need",
                       missing);
    return true;
}
