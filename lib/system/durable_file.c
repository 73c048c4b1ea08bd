#define _GNU_SOURCE /* fallocate */
#include "system/durable_file.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static bool failed(const char *path, struct error *error) {
    return fail(error, STATUS_IO, "%s: %s", path, strerror(errno));
}

bool durable_is_ours(int fd, const char *path, struct error *error) {
    struct stat facts;
    if (fstat(fd, &facts) != 0)
        return failed(path, error);
    mode_t forbidden = S_ISDIR(facts.st_mode)   ? S_IWGRP | S_IWOTH
                       : S_ISREG(facts.st_mode) ? S_IWGRP | S_IROTH | S_IWOTH
                                                : 0;
    if (facts.st_uid != geteuid() && facts.st_uid != 0)
        return fail(error, STATUS_CONFIG,
                    "%s: belongs to another user (%lu), who could change it; it is not used", path,
                    (unsigned long)facts.st_uid);
    if ((facts.st_mode & forbidden) != 0)
        return fail(error, STATUS_CONFIG, "%s: other users can %s it; chmod go-%s %s", path,
                    (facts.st_mode & forbidden & ~(mode_t)S_IROTH) != 0 ? "write" : "read",
                    S_ISDIR(facts.st_mode) ? "w" : "rw", path);
    return true;
}

bool durable_is_named(int fd, const char *path) {
    struct stat held, named;
    return fstat(fd, &held) == 0 && stat(path, &named) == 0 && held.st_ino == named.st_ino &&
           held.st_dev == named.st_dev;
}

/* `link/` and `link/.` would lead through a symbolic link. */
static char *without_slash(const char *path) {
    size_t size = strlen(path);
    while (size > 1 && (path[size - 1] == '/' || (path[size - 1] == '.' && path[size - 2] == '/')))
        size--;
    return must_format("%.*s", (int)size, path);
}

int durable_open_folder(const char *path, struct error *error) {
    char *plain = without_slash(path);
    int fd = open(plain, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int problem = errno;
    struct stat facts;
    if (fd < 0 && lstat(plain, &facts) == 0 && S_ISLNK(facts.st_mode))
        fail(error, STATUS_CONFIG, "%s: is a symbolic link; name the folder itself", path);
    else if (fd < 0)
        fail(error, problem == ENOENT ? STATUS_NO_FILE : STATUS_IO, "%s: %s", path,
             strerror(problem));
    free(plain);
    if (fd >= 0 && !durable_is_ours(fd, path, error)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* The caller frees. */
static char *folder_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash == NULL   ? must_copy(".")
           : slash == path ? must_copy("/")
                           : must_format("%.*s", (int)(slash - path), path);
}

/* Whether it is ours and can be written. */
static bool is_usable(const char *path, bool is_folder, struct error *error) {
    int fd = is_folder ? durable_open_folder(path, error)
                       : open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return !is_folder && failed(path, error);
    bool ours = is_folder || durable_is_ours(fd, path, error);
    close(fd);
    return ours &&
           (access(path, is_folder ? R_OK | W_OK | X_OK : R_OK | W_OK) == 0 || failed(path, error));
}

bool durable_ready(const char *path, bool is_folder, struct error *error) {
    struct stat facts;
    error->status = STATUS_DONE;
    if (stat(path, &facts) == 0) {
        errno = EISDIR;
        return S_ISDIR(facts.st_mode) > is_folder ? failed(path, error)
                                                  : is_usable(path, is_folder, error);
    }
    if (errno != ENOENT)
        return failed(path, error);
    char *plain = without_slash(path), *folder = folder_of(plain);
    bool good = access(folder, W_OK | X_OK) == 0 || failed(path, error);
    free(folder);
    free(plain);
    return good;
}

bool durable_folder(const char *path, struct error *error) {
    if (mkdir(path, 0700) == 0)
        return durable_sync_folder_of(path, error);
    if (errno != EEXIST)
        return failed(path, error);
    int fd = durable_open_folder(path, error);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

bool durable_reserve(int fd, const char *path, size_t size, struct error *error) {
#ifdef FALLOC_FL_KEEP_SIZE
    struct stat facts;
    int result;
    if (fstat(fd, &facts) != 0)
        return failed(path, error);
    do
        result = fallocate(fd, FALLOC_FL_KEEP_SIZE, facts.st_size, (off_t)size);
    while (result != 0 && errno == EINTR);
    return result == 0 || (errno != ENOSPC && errno != EDQUOT && errno != EFBIG) ||
           failed(path, error);
#else
    (void)fd, (void)path, (void)size, (void)error;
    return true;
#endif
}

void durable_release(int fd) {
    struct stat facts;
    if (fstat(fd, &facts) == 0 && ftruncate(fd, facts.st_size) != 0)
        errno = 0; /* then it stays reserved */
}

bool durable_has_room(int fd, double size) {
    struct stat facts;
    struct statvfs system;
    if (fstat(fd, &facts) != 0 || !S_ISREG(facts.st_mode) || fstatvfs(fd, &system) != 0 ||
        system.f_blocks == 0)
        return true; /* unknown */
    double blocks = (double)(geteuid() == 0 ? system.f_bfree : system.f_bavail);
    return blocks * (double)system.f_frsize >= size;
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

/* Some file systems cannot sync a folder and return EINVAL. */
bool durable_sync_folder_of(const char *path, struct error *error) {
    char *folder = folder_of(path);
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
