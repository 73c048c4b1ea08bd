#include "durable.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static bool failed(const char *path, struct error *error) {
    return fail(error, STATUS_IO, "%s: %s", path, strerror(errno));
}

bool durable_folder(const char *path, struct error *error) {
    if (mkdir(path, 0700) == 0)
        return durable_sync_folder_of(path, error);
    return errno == EEXIST || failed(path, error);
}

bool durable_write_all(int fd, const char *text, size_t size) {
    while (size > 0) {
        ssize_t put = write(fd, text, size);
        if (put < 0 && errno != EINTR)
            return false;
        if (put > 0) {
            text += put;
            size -= (size_t)put;
        }
    }
    return true;
}

bool durable_lock(int fd, int how) {
    int result;
    do
        result = flock(fd, how);
    while (result != 0 && errno == EINTR);
    return result == 0;
}

bool durable_sync(int fd) {
    int result;
    do
        result = fsync(fd);
    while (result != 0 && errno == EINTR);
    return result == 0;
}

/* Some file systems cannot sync a folder, and say EINVAL. */
bool durable_sync_folder_of(const char *path, struct error *error) {
    const char *slash = strrchr(path, '/');
    char *folder = slash == NULL   ? must_copy(".")
                   : slash == path ? must_copy("/")
                                   : must_format("%.*s", (int)(slash - path), path);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = fd >= 0 && (durable_sync(fd) || errno == EINVAL);
    if (!good)
        failed(folder, error);
    if (fd >= 0)
        close(fd);
    free(folder);
    return good;
}

static bool create(const char *path, const char *text, size_t size, double modified,
                   struct error *error) {
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return failed(path, error);
    bool good = durable_write_all(fd, text, size);
    if (good && modified > 0) {
        time_t seconds = (time_t)floor(modified);
        struct timespec time = {seconds, (long)((modified - (double)seconds) * 1e9)};
        good = futimens(fd, (struct timespec[]){time, time}) == 0;
    }
    good = good && durable_sync(fd);
    if (!good) {
        failed(path, error);
        unlink(path);
    }
    close(fd);
    return good;
}

bool durable_create(const char *path, const char *text, size_t size, struct error *error) {
    return create(path, text, size, 0, error);
}

bool durable_write(const char *aside, const char *path, const char *text, size_t size,
                   double modified, struct error *error) {
    if (!create(aside, text, size, modified, error))
        return false;
    if (rename(aside, path) == 0)
        return durable_sync_folder_of(path, error);
    failed(path, error);
    unlink(aside);
    return false;
}

bool durable_move(const char *from, const char *to, struct error *error) {
    if (rename(from, to) != 0)
        return failed(from, error);
    return durable_sync_folder_of(to, error) && durable_sync_folder_of(from, error);
}
