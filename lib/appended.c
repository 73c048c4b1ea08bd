#include "appended.h"

#include "durable.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 4096 };

static bool failed(const char *path, struct error *error) {
    return fail(error, STATUS_IO, "%s: %s", path, strerror(errno));
}

/* Where the line that ends before `end` begins: behind the last newline before it, or 0. -1 if the
 * file cannot be read. */
static off_t line_start(int fd, off_t end) {
    char bytes[CHUNK];
    while (end > 0) {
        off_t from = end > CHUNK ? end - CHUNK : 0;
        ssize_t got = pread(fd, bytes, (size_t)(end - from), from);
        if (got < 0 && errno == EINTR)
            continue;
        if (got != end - from)
            return -1;
        for (off_t i = got; i > 0; i--)
            if (bytes[i - 1] == '\n')
                return from + i;
        end = from;
    }
    return 0;
}

static bool cut_torn_line(int fd, off_t size) {
    off_t whole = line_start(fd, size);
    return whole == size || (whole >= 0 && ftruncate(fd, whole) == 0 && durable_sync(fd));
}

int appended_open(const char *path, struct error *error) {
    struct stat facts;
    int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        failed(path, error);
        return -1;
    }
    bool good =
        durable_lock(fd, LOCK_EX) && fstat(fd, &facts) == 0 && cut_torn_line(fd, facts.st_size);
    if (!good)
        failed(path, error);
    else if (facts.st_size == 0)
        good = durable_sync_folder_of(path, error);
    if (good)
        return fd;
    close(fd);
    return -1;
}

bool appended_add(int fd, const char *path, const char *text, size_t size, struct error *error) {
    struct stat before;
    if (fstat(fd, &before) != 0)
        return failed(path, error);
    if (durable_write_all(fd, text, size) && durable_sync(fd))
        return true;
    failed(path, error);
    /* Where this fails as well, the next to open it cuts off what has no newline. */
    if (ftruncate(fd, before.st_size) == 0)
        durable_sync(fd);
    return false;
}

char *appended_last_line(int fd, const char *path, struct error *error) {
    struct stat facts;
    *error = (struct error){STATUS_DONE, ""};
    if (fstat(fd, &facts) != 0) {
        failed(path, error);
        return NULL;
    }
    if (facts.st_size == 0)
        return NULL;
    off_t end = facts.st_size - 1, start = line_start(fd, end);
    size_t size = (size_t)(end - start);
    char *line = must_alloc(size + 1);
    ssize_t got = start < 0 ? -1 : pread(fd, line, size, start);
    if (got == (ssize_t)size)
        return line;
    failed(path, error);
    free(line);
    return NULL;
}
