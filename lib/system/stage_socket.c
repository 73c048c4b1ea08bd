#include "system/stage_socket.h"

#include "system/settings.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
    enum stage_role role;
    int descriptor;
} stage = {STAGE_ABSENT, -1};

enum stage_role stage_role(void) {
    return stage.role;
}

int stage_socket(void) {
    return stage.descriptor;
}

/* A descriptor that is a socket, beside the standard streams; -1 for any other number. */
static int open_socket(long descriptor) {
    struct stat facts;
    bool good = descriptor > STDERR_FILENO && descriptor < INT_MAX &&
                fstat((int)descriptor, &facts) == 0 && S_ISSOCK(facts.st_mode) &&
                fcntl((int)descriptor, F_SETFD, FD_CLOEXEC) == 0;
    return good ? (int)descriptor : -1;
}

void stage_socket_take(void) {
    const char *setting = settings_get(NULL, "CIBA_STAGE", NULL);
    char *end;
    if (setting == NULL)
        return;
    long descriptor = strtol(setting, &end, 10);
    long process = *end == ':' ? strtol(end + 1, &end, 10) : 0;
    stage.role = *end == '\0' && process == (long)getpid() ? STAGE_OWN : STAGE_INNER;
    stage.descriptor = *end == '\0' && process > 0 ? open_socket(descriptor) : -1;
    unsetenv("CIBA_STAGE");
}
