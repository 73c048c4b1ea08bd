#include "agent/agent_spool.h"

#include "approval/journal.h"
#include "base/clock.h"
#include "jose/digest.h"
#include "system/durable_file.h"
#include "system/settings.h"
#include "json/json.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file's path within the spool, which is the working directory, so that moving or replacing the
 * spool's parent folders has no effect. */
static char *path_of(const char *folder, const char *name) {
    return must_format("%s/%s", folder, name);
}

static bool is_in(const char *folder, const char *name) {
    char *path = path_of(folder, name);
    bool there = access(path, F_OK) == 0;
    free(path);
    return there;
}

/* Whether this is a spool, which has a queue, or a folder that contains nothing but what spent.h
 * makes. In other folders we could mistake somebody's files for what a killed run left. */
static bool is_spool(const char *directory, struct error *error) {
    DIR *listing = access("queue", F_OK) == 0 ? NULL : opendir(".");
    bool good = true;
    for (struct dirent *entry; good && listing != NULL && (entry = readdir(listing)) != NULL;)
        good = *entry->d_name == '.' || strcmp(entry->d_name, "spent") == 0;
    if (listing != NULL)
        closedir(listing);
    return good || fail(error, STATUS_CONFIG,
                        "%s: is no spool, and has other files in it; name a new folder", directory);
}

/* The queue is made first, because it identifies a spool. */
static bool make_folders(struct error *error) {
    static const char *const folders[] = {"queue", "done", "failed", "journal", "lock", "tmp"};
    bool good = true;
    for (size_t i = 0; good && i < sizeof folders / sizeof *folders; i++)
        good = durable_folder(folders[i], error);
    return good;
}

/* Removes the files of a folder; in journal/ only those without an unfinished document. */
static void sweep(const char *folder) {
    DIR *listing = opendir(folder);
    bool journals = strcmp(folder, "journal") == 0;
    for (struct dirent *entry; listing != NULL && (entry = readdir(listing)) != NULL;) {
        const char *name = entry->d_name;
        if (*name == '.' || (journals && (is_in("queue", name) || is_in("failed", name))))
            continue;
        char *file = path_of(folder, name);
        unlink(file);
        free(file);
    }
    if (listing != NULL)
        closedir(listing);
}

/* Whether there is nothing in a folder, or no folder. */
static bool is_empty(const char *folder) {
    bool empty = true;
    DIR *listing = opendir(folder);
    for (struct dirent *entry; listing != NULL && (entry = readdir(listing)) != NULL;)
        empty = empty && *entry->d_name == '.';
    if (listing != NULL)
        closedir(listing);
    return empty;
}

/* Removes the locks that nobody has: a stage may have one that outlived its run. */
static void sweep_locks(void) {
    DIR *listing = opendir("lock");
    for (struct dirent *entry; listing != NULL && (entry = readdir(listing)) != NULL;) {
        char *path = path_of("lock", entry->d_name);
        int lock = *entry->d_name == '.' ? -1 : open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
        if (lock >= 0 && durable_lock(lock, LOCK_EX | LOCK_NB))
            unlink(path);
        if (lock >= 0)
            close(lock);
        free(path);
    }
    if (listing != NULL)
        closedir(listing);
}

/* Opens it for reading only, whoever owns it. */
static bool open_to_read(struct agent_spool *spool, struct error *error) {
    spool->descriptor = open(spool->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (spool->descriptor < 0 || fchdir(spool->descriptor) != 0)
        return fail(error, STATUS_NO_FILE, "%s: %s%s", spool->directory, strerror(errno),
                    errno == ENOENT ? "; agent-spool add makes it" : "");
    char *real = realpath(".", NULL); /* the working directory may be another by then */
    if (real != NULL) {
        free(spool->directory);
        spool->directory = real;
    }
    return true;
}

static bool open_to_write(struct agent_spool *spool, struct error *error) {
    struct error why;
    spool->descriptor = durable_open_folder(spool->directory, &why);
    if (spool->descriptor < 0)
        return fail(error, why.status, "%.900s%s", why.text,
                    why.status == STATUS_NO_FILE ? "; agent-spool add makes it" : "");
    char *real =
        realpath(spool->directory, NULL); /* for stages, whatever their working directory */
    if (real == NULL || fchdir(spool->descriptor) != 0) {
        free(real);
        return fail(error, STATUS_IO, "%s: %s", spool->directory, strerror(errno));
    }
    free(spool->directory);
    spool->directory = real;
    if (!is_spool(real, error))
        return false;
    if (!make_folders(&why))
        return fail(error, why.status, "%s: %.900s", spool->directory, why.text);
    if (durable_lock(spool->descriptor, LOCK_EX | LOCK_NB)) {
        sweep("tmp");
        if (is_empty("log")) /* of what a killed run had, the locks lead to its log */
            sweep_locks();
        sweep("journal");
    }
    return durable_lock(spool->descriptor, LOCK_SH) ||
           fail(error, STATUS_IO, "%s: cannot be locked: %s", spool->directory, strerror(errno));
}

bool agent_spool_open(struct agent_spool *spool, const char *directory, bool writes,
                      struct error *error) {
    *spool = (struct agent_spool){must_copy(directory), -1};
    return writes ? open_to_write(spool, error) : open_to_read(spool, error);
}

void agent_spool_close(struct agent_spool *spool) {
    if (spool->descriptor >= 0)
        close(spool->descriptor);
    free(spool->directory);
}

/* A new name in tmp/; the caller frees. */
static char *aside(void) {
    char *noise = random_name(9), *path = path_of("tmp", noise);
    free(noise);
    return path;
}

/* A name that sorts by time, for people who list the folder. */
char *agent_spool_new_name(void) {
    char text[40], *noise = random_name(9);
    struct tm now = clock_utc();
    strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &now);
    char *name = must_format("%s.%s", text, noise);
    free(noise);
    return name;
}

bool agent_spool_save(const char *name, jv document, double due, struct error *error) {
    char *text = json_text(document), *line = must_format("%s\n", text);
    char *other = aside(), *path = path_of("queue", name);
    bool good = durable_write(other, path, line, strlen(line), due, error);
    free(text);
    free(line);
    free(other);
    free(path);
    return good;
}

jv agent_spool_mark(jv document) {
    jv own = json_set(jv_object(), "added_at", jv_number(floor(clock_now())));
    return json_set(document, "spool", own);
}

static double seconds_of(struct timespec time) {
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int sooner(const void *one, const void *other) {
    const struct agent_spool_entry *a = one, *b = other;
    return a->due < b->due ? -1 : a->due > b->due ? 1 : strcmp(a->name, b->name);
}

struct agent_spool_entry *agent_spool_entries(const char *folder, size_t *count,
                                              struct error *error) {
    size_t room = 16;
    struct agent_spool_entry *entries = must_alloc(room * sizeof *entries);
    DIR *listing = opendir(folder);
    struct stat facts;
    *count = 0;
    for (struct dirent *entry; listing != NULL && (entry = readdir(listing)) != NULL;) {
        if (entry->d_name[0] == '.' ||
            fstatat(dirfd(listing), entry->d_name, &facts, AT_SYMLINK_NOFOLLOW) != 0 ||
            !S_ISREG(facts.st_mode))
            continue;
        if (*count == room) {
            entries = must_grow(entries, (room *= 2) * sizeof *entries);
        }
        entries[(*count)++] = (struct agent_spool_entry){
            must_copy(entry->d_name), seconds_of(facts.st_mtim), seconds_of(facts.st_ctim)};
    }
    if (listing == NULL)
        fail(error, STATUS_IO, "%s: %s", folder, strerror(errno));
    else
        closedir(listing);
    qsort(entries, *count, sizeof *entries, sooner);
    return entries;
}

void agent_spool_free_entries(struct agent_spool_entry *entries, size_t count) {
    for (size_t i = 0; i < count; i++)
        free(entries[i].name);
    free(entries);
}

int agent_spool_claim(const char *name, struct error *error) {
    char *path = path_of("lock", name);
    int claim = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    if (claim < 0)
        fail(error, STATUS_IO, "%s: %s", path, strerror(errno));
    else
        fail(error, STATUS_NOT_YET, "another process has it");
    /* Its previous holder may have removed the file while we opened it. */
    bool ours =
        claim >= 0 && durable_lock(claim, LOCK_EX | LOCK_NB) && durable_is_named(claim, path);
    if (ours && !is_in("queue", name)) {
        agent_spool_release(name, claim);
        claim = -1;
    } else if (!ours && claim >= 0) {
        close(claim);
        claim = -1;
    }
    free(path);
    return claim;
}

void agent_spool_release(const char *name, int claim) {
    char *path = path_of("lock", name);
    unlink(path);
    close(claim);
    free(path);
}

/* The text, which the caller frees. */
static char *read_document(const char *path, unsigned long *size, struct error *error) {
    struct stat facts;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    char *text = NULL;
    if (fd < 0 || fstat(fd, &facts) != 0)
        fail(error, STATUS_NO_FILE, "%s: %s", path, strerror(errno));
    else if (facts.st_size > JSON_SIZE_LIMIT)
        fail(error, STATUS_INPUT, "%s: larger than %d MiB", path, JSON_SIZE_LIMIT >> 20);
    else
        text = file_read_descriptor(fd, path, JSON_SIZE_LIMIT, size, error);
    if (fd >= 0)
        close(fd);
    return text;
}

bool agent_spool_read(const char *folder, const char *name, jv *document, struct error *error) {
    unsigned long size;
    char *path = path_of(folder, name), *text = read_document(path, &size, error);
    bool good = text != NULL;
    *document = jv_invalid();
    if (good) {
        struct error why;
        good = json_parse(text, size, document, &why);
        if (good && jv_get_kind(*document) != JV_KIND_OBJECT)
            good = fail(&why, STATUS_INPUT, "is not a JSON object");
        if (!good)
            fail(error, STATUS_INPUT, "%s: %.800s", path, why.text);
    }
    free(text);
    free(path);
    return good;
}

bool agent_spool_finish(const char *name, jv document, const char *folder, struct error *error) {
    char *from = path_of("queue", name), *to = path_of(folder, name);
    bool good = agent_spool_save(name, document, 0, error) && durable_move(from, to, error);
    free(from);
    free(to);
    return good;
}
