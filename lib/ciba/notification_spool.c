#include "ciba/notification_spool.h"

#include "base/clock.h"
#include "jose/digest.h"
#include "system/durable_file.h"
#include "system/settings.h"
#include "json/json.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/inotify.h>
#endif

enum {
    NAME_SIZE = 43,                       /* base64url of 32 bytes */
    EARLY_LIMIT = 4 * NOTIFICATION_LIMIT, /* bytes that may arrive before the request is known */
    KEPT_SECONDS = 86400,                 /* after the request expires: notifications not fetched */
    SWEEP_SECONDS = 60
};

static const char prefix[] = "sha-256:"; /* of a digest */
static const char name_characters[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char *const folders[] = {"expected", "new"};

/* DIRECTORY/FOLDER/NAME; the caller frees. NULL if the digest, which may come from a document, is
 * invalid. */
static char *path_of(const char *directory, const char *folder, const char *digest) {
    if (digest == NULL || strncmp(digest, prefix, sizeof prefix - 1) != 0)
        return NULL;
    const char *name = digest + sizeof prefix - 1;
    if (strlen(name) != NAME_SIZE || strspn(name, name_characters) != NAME_SIZE)
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

struct expectation {
    const char *directory, *digest;
    double until;
    int fd; /* its open file, locked; -1 if there is none */
};

/* Gives DIRECTORY/FOLDER/NAME these bytes. */
static bool write_file(const struct expectation *expectation, const char *folder, const char *text,
                       size_t size, struct error *error) {
    const char *directory = expectation->directory;
    char *path = path_of(directory, folder, expectation->digest), *noise = random_name(12);
    char *aside = must_format("%s/%s/.%s", directory, folder, noise);
    bool good = path != NULL ? durable_write(aside, path, text, size, expectation->until, error)
                             : fail(error, STATUS_IO, "%s: not a digest", directory);
    free(path);
    free(noise);
    free(aside);
    return good;
}

static void remove_file(const char *directory, const char *folder, const char *digest) {
    char *path = path_of(directory, folder, digest);
    if (path != NULL)
        unlink(path);
    free(path);
}

static bool is_over(double until) {
    return until <= clock_now();
}

/* Opens and locks it; false with errno set if there is none. The file may have been replaced or
 * removed while we waited for the lock. */
static bool open_expectation(const char *directory, const char *digest,
                             struct expectation *expectation) {
    struct stat facts;
    char *path = path_of(directory, "expected", digest);
    int fd = -1;
    errno = ENOENT;
    while (path != NULL && (fd = open(path, O_RDONLY | O_CLOEXEC)) >= 0) {
        bool locked = durable_lock(fd, LOCK_EX) && fstat(fd, &facts) == 0;
        if (locked && facts.st_nlink > 0)
            break;
        int problem = errno;
        close(fd);
        fd = -1;
        errno = problem;
        if (!locked)
            break;
    }
    free(path);
    *expectation = (struct expectation){directory, digest, fd < 0 ? 0 : (double)facts.st_mtime, fd};
    return fd >= 0;
}

static void close_expectation(const struct expectation *expectation) {
    if (expectation->fd >= 0)
        close(expectation->fd);
}

/* Removes an expired expectation, unless it has just been extended. */
static void sweep_expectation(const char *directory, const char *name, const char *path) {
    struct expectation expectation;
    char *digest = must_format("%s%s", prefix, name);
    if (open_expectation(directory, digest, &expectation) && is_over(expectation.until))
        unlink(path);
    close_expectation(&expectation);
    free(digest);
}

static void sweep_file(const char *directory, const char *folder, const char *name) {
    struct stat facts;
    char *path = must_format("%s/%s/%s", directory, folder, name);
    double until =
        lstat(path, &facts) == 0 && S_ISREG(facts.st_mode) ? (double)facts.st_mtime : INFINITY;
    if (is_over(until + KEPT_SECONDS))
        unlink(path);
    else if (is_over(until) && strcmp(folder, "expected") == 0 && *name != '.')
        sweep_expectation(directory, name, path);
    free(path);
}

/* Whether this module makes such names. */
static bool is_ours(const char *name) {
    char *path;
    if (*name == '.')
        return strlen(name) == 1 + 16 && strspn(name + 1, name_characters) == 16;
    char *digest = must_format("%s%s", prefix, name);
    path = path_of("", "", digest);
    bool ours = path != NULL;
    free(path);
    free(digest);
    return ours;
}

/* Removes what nobody waits for any more, and what killed processes left. The directory's own time
 * is that of the last run. */
static void sweep(const char *directory) {
    struct stat facts;
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    double age = fd < 0 || fstat(fd, &facts) != 0 ? 0 : clock_now() - (double)facts.st_mtime;
    bool due = age < 0 || age >= SWEEP_SECONDS;
    if (due)
        futimens(fd, NULL);
    if (fd >= 0)
        close(fd);
    if (!due)
        return;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        char *path = must_format("%s/%s", directory, folders[i]);
        DIR *listing = opendir(path);
        struct dirent *entry;
        while (listing != NULL && (entry = readdir(listing)) != NULL)
            if (is_ours(entry->d_name))
                sweep_file(directory, folders[i], entry->d_name);
        if (listing != NULL)
            closedir(listing);
        free(path);
    }
}

bool notification_spool_expect(const char *directory, const char *digest, double until,
                               struct error *error) {
    if (!make_folders(directory, error))
        return false;
    sweep(directory);
    struct expectation expectation = {directory, digest, until, -1};
    return write_file(&expectation, "expected", "", 0, error);
}

bool notification_spool_is_expected(const char *directory, const char *digest) {
    struct stat facts;
    char *path = path_of(directory, "expected", digest);
    bool expected = path != NULL && stat(path, &facts) == 0 && !is_over((double)facts.st_mtime);
    free(path);
    return expected;
}

bool notification_spool_has(const char *directory, const char *digest) {
    char *path = path_of(directory, "new", digest);
    bool there = path != NULL && access(path, F_OK) == 0;
    free(path);
    return there;
}

/* The last notification for this request; NULL if there is none. */
static const char *find_request(const char *early, size_t size, const char *auth_req_id) {
    const char *found = NULL;
    struct error ignored;
    jv body;
    for (const char *one = early; one < early + size; one += strlen(one) + 1) {
        if (json_parse(one, strlen(one), &body, &ignored) &&
            json_is(body, "auth_req_id", auth_req_id))
            found = one;
        jv_free(body);
    }
    return found;
}

/* The content of its file; the caller frees. */
static char *read_expectation(const struct expectation *expectation, unsigned long *size,
                              struct error *error) {
    char *text =
        file_read_descriptor(expectation->fd, expectation->directory, EARLY_LIMIT, size, error);
    if (text == NULL)
        error->status = STATUS_IO;
    return text;
}

static bool fail_to_open(const struct expectation *expectation, struct error *error) {
    return fail(error, STATUS_IO, "%s: the expectation of a notification cannot be read: %s",
                expectation->directory, strerror(errno));
}

static bool name_it(const struct expectation *expectation, const char *auth_req_id,
                    struct error *error) {
    unsigned long size;
    char *early = read_expectation(expectation, &size, error);
    if (early == NULL)
        return false;
    const char *found = find_request(early, size, auth_req_id);
    char *request = digest_of(auth_req_id, strlen(auth_req_id));
    bool good = (found == NULL || write_file(expectation, "new", found, strlen(found), error)) &&
                write_file(expectation, "expected", request, strlen(request), error);
    free(request);
    free(early);
    return good;
}

bool notification_spool_name(const char *directory, const char *digest, const char *auth_req_id,
                             double until, struct error *error) {
    struct expectation expectation;
    if (!open_expectation(directory, digest, &expectation))
        return fail_to_open(&expectation, error);
    expectation.until = until;
    bool good = name_it(&expectation, auth_req_id, error);
    close_expectation(&expectation);
    return good;
}

/* Adds it to those that arrived before the request was known. */
static enum spool_answer put_early(const struct expectation *expectation, const char *early,
                                   size_t early_size, const char *text, size_t size,
                                   struct error *error) {
    size_t all_size = early_size + size + 1;
    if (all_size > EARLY_LIMIT)
        return SPOOL_FULL;
    char *all = must_alloc(all_size); /* zeroed */
    memcpy(all, early, early_size);
    memcpy(all + early_size, text, size);
    bool good = write_file(expectation, "expected", all, all_size, error);
    free(all);
    return good ? SPOOL_TAKEN : SPOOL_FAILED;
}

static enum spool_answer put(const struct expectation *expectation, const char *auth_req_id,
                             const char *text, size_t size, struct error *error) {
    unsigned long before_size;
    if (is_over(expectation->until))
        return SPOOL_NOT_EXPECTED;
    char *before = read_expectation(expectation, &before_size, error);
    if (before == NULL)
        return SPOOL_FAILED;
    enum spool_answer answer;
    char *request = digest_of(auth_req_id, strlen(auth_req_id));
    if (strncmp(before, prefix, sizeof prefix - 1) != 0)
        answer = put_early(expectation, before, before_size, text, size, error);
    else if (strcmp(before, request) != 0)
        answer = SPOOL_OTHER_REQUEST;
    else
        answer = write_file(expectation, "new", text, size, error) ? SPOOL_TAKEN : SPOOL_FAILED;
    free(request);
    free(before);
    return answer;
}

enum spool_answer notification_spool_put(const char *directory, const char *digest,
                                         const char *auth_req_id, const char *text, size_t size,
                                         struct error *error) {
    struct expectation expectation;
    enum spool_answer answer = SPOOL_NOT_EXPECTED;
    if (open_expectation(directory, digest, &expectation))
        answer = put(&expectation, auth_req_id, text, size, error);
    else if (errno != ENOENT && !fail_to_open(&expectation, error))
        answer = SPOOL_FAILED;
    close_expectation(&expectation);
    return answer;
}

char *notification_spool_get(const char *directory, const char *digest, size_t *size) {
    struct error ignored;
    char *path = path_of(directory, "new", digest);
    unsigned long read_size = 0;
    char *text = path == NULL ? NULL : file_read(path, NOTIFICATION_LIMIT, &read_size, &ignored);
    *size = read_size;
    free(path);
    return text;
}

void notification_spool_drop(const char *directory, const char *digest) {
    remove_file(directory, "new", digest);
}

void notification_spool_forget(const char *directory, const char *digest) {
    struct expectation expectation;
    open_expectation(directory, digest, &expectation);
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        remove_file(directory, folders[i], digest);
    close_expectation(&expectation);
}

int notification_spool_watch(const char *directory) {
#ifdef __linux__
    struct error ignored;
    char *path = must_format("%s/new", directory);
    make_folders(directory, &ignored);
    sweep(directory);
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
