#include "spool.h"

#include "config.h"
#include "digest.h"
#include "durable.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/inotify.h>
#endif

enum { NAME_SIZE = 43 /* of the base64url of 32 bytes */ };

/* DIRECTORY/FOLDER/NAME; the caller frees. NULL if the digest, which may come from a document, is
 * none. */
static char *path_of(const char *directory, const char *folder, const char *digest) {
    static const char prefix[] = "sha-256:";
    if (digest == NULL || strncmp(digest, prefix, sizeof prefix - 1) != 0)
        return NULL;
    const char *name = digest + sizeof prefix - 1;
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    if (strlen(name) != NAME_SIZE || strspn(name, allowed) != NAME_SIZE)
        return NULL;
    return must_format("%s/%s/%s", directory, folder, name);
}

static bool make_folders(const char *directory, struct error *error) {
    char *expected = must_format("%s/expected", directory), *new = must_format("%s/new", directory);
    bool good = durable_folder(directory, error) && durable_folder(expected, error) &&
                durable_folder(new, error);
    free(expected);
    free(new);
    return good;
}

bool spool_expect(const char *directory, const char *digest, struct error *error) {
    char *path = path_of(directory, "expected", digest);
    bool good = path != NULL && make_folders(directory, error) &&
                durable_create(path, "", 0, error) && durable_sync_folder_of(path, error);
    free(path);
    return good;
}

static bool is_there(const char *directory, const char *folder, const char *digest) {
    char *path = path_of(directory, folder, digest);
    bool there = path != NULL && access(path, F_OK) == 0;
    free(path);
    return there;
}

bool spool_is_expected(const char *directory, const char *digest) {
    return is_there(directory, "expected", digest);
}

bool spool_has(const char *directory, const char *digest) {
    return is_there(directory, "new", digest);
}

bool spool_put(const char *directory, const char *digest, const char *text, size_t size,
               struct error *error) {
    char *path = path_of(directory, "new", digest), *noise = random_name(12);
    char *aside = must_format("%s/.%s", directory, noise);
    bool good = path != NULL && durable_write(aside, path, text, size, 0, error);
    free(path);
    free(noise);
    free(aside);
    return good;
}

char *spool_get(const char *directory, const char *digest, size_t *size) {
    struct error ignored;
    char *path = path_of(directory, "new", digest);
    unsigned long read_size = 0;
    char *text =
        path == NULL ? NULL : config_read_file(path, NOTIFICATION_LIMIT, &read_size, &ignored);
    *size = read_size;
    free(path);
    return text;
}

void spool_forget(const char *directory, const char *digest) {
    static const char *const folders[] = {"expected", "new"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        char *path = path_of(directory, folders[i], digest);
        if (path != NULL)
            unlink(path);
        free(path);
    }
}

int spool_watch(const char *directory) {
#ifdef __linux__
    struct error ignored;
    char *path = must_format("%s/new", directory);
    make_folders(directory, &ignored);
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (fd >= 0 && inotify_add_watch(fd, path, IN_MOVED_TO) < 0) {
        close(fd);
        fd = -1;
    }
    free(path);
    return fd;
#else
    (void)directory;
    return -1;
#endif
}
