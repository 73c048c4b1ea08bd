/* An -e file: reads it, and one setting from it. */
#include "system/settings.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    static char path[60];
    if (path[0] == '\0')
        snprintf(path, sizeof path, "/tmp/fuzz-settings.%d", (int)getpid());
    struct error error;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, data, size < 200 ? size : 200) < 0)
        abort();
    close(fd);
    if (settings_load(path, &error) && settings_get(NULL, "CIBA_USER", NULL) != NULL)
        unlink(path);
    unlink(path);
    return 0;
}
