#include "system/append_file.h"

#include "system/durable_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 4096, MOVES = 100 /* times that a file may be replaced while it is being opened */ };

static bool failed(const char *path, struct error *error) {
    return fail(error, STATUS_IO, "%s: %s", path, strerror(errno));
}

/* The start of the line that ends before `end`: after the newline before it, or 0. -1 if the file
 * cannot be read. */
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

/* Opens and locks the file at the path. -1 with errno set: ESTALE if it was moved away while we
 * waited for the lock. */
static int open_locked(const char *path, int flags) {
    int fd = open(path, flags, 0600);
    if (fd < 0)
        return -1;
    bool locked = durable_lock(fd, LOCK_EX);
    int problem = locked ? ESTALE : errno;
    if (locked && durable_is_named(fd, path))
        return fd;
    close(fd);
    errno = problem;
    return -1;
}

int append_file_open(const char *path, bool make, struct error *error) {
    struct stat facts;
    int fd = -1, flags = O_RDWR | O_APPEND | O_CLOEXEC | (make ? O_CREAT : 0);
    errno = ESTALE;
    for (int tries = 0; fd < 0 && errno == ESTALE && tries < MOVES; tries++)
        fd = open_locked(path, flags);
    if (fd < 0) {
        failed(path, error);
        return -1;
    }
    bool good = durable_is_ours(fd, path, error);
    if (good && !(good = fstat(fd, &facts) == 0 && cut_torn_line(fd, facts.st_size)))
        failed(path, error);
    if (good && facts.st_size == 0)
        good = durable_sync_folder_of(path, error);
    if (good)
        return fd;
    close(fd);
    return -1;
}

bool append_file_add(int fd, const char *path, const char *text, size_t size, struct error *error) {
    struct stat before;
    if (fstat(fd, &before) != 0)
        return failed(path, error);
    if (durable_write_all(fd, text, size) && durable_sync(fd))
        return true;
    failed(path, error);
    /* If this fails too, the next process to open it cuts off the incomplete line. */
    if (ftruncate(fd, before.st_size) == 0)
        durable_sync(fd);
    return false;
}

char *append_file_last_line(int fd, const char *path, struct error *error) {
    struct stat facts;
    *error = (struct error){STATUS_DONE, ""};
    if (fstat(fd, &facts) != 0) {
        failed(path, error);
        return NULL;
    }
    off_t whole = line_start(fd, facts.st_size);
    if (whole == 0)
        return NULL;
    off_t end = whole - 1, start = whole < 0 ? -1 : line_start(fd, end);
    size_t size = start < 0 ? 0 : (size_t)(end - start);
    char *line = must_alloc(size + 1);
    ssize_t got = start < 0 ? -1 : pread(fd, line, size, start);
    if (got == (ssize_t)size)
        return line;
    failed(path, error);
    free(line);
    return NULL;
}
