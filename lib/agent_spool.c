#include "agent_spool.h"

#include "clock.h"
#include "config.h"
#include "digest.h"
#include "durable.h"
#include "json.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static char *path_of(const struct agent_spool *spool, const char *folder, const char *name) {
    return must_format("%s/%s/%s", spool->directory, folder, name);
}

static bool is_in(const struct agent_spool *spool, const char *folder, const char *name) {
    char *path = path_of(spool, folder, name);
    bool there = access(path, F_OK) == 0;
    free(path);
    return there;
}

static bool make_folders(const char *directory, struct error *error) {
    static const char *const folders[] = {"queue", "done", "failed", "journal", "lock", "tmp"};
    bool good = true;
    for (size_t i = 0; good && i < sizeof folders / sizeof *folders; i++) {
        char *path = must_format("%s/%s", directory, folders[i]);
        good = durable_folder(path, error);
        free(path);
    }
    return good;
}

/* Removes what is in a folder, and in journal/ only what is of no document that is not done. */
static void sweep(const struct agent_spool *spool, const char *folder) {
    char *path = must_format("%s/%s", spool->directory, folder);
    DIR *listing = opendir(path);
    bool journals = strcmp(folder, "journal") == 0;
    for (struct dirent *entry; listing != NULL && (entry = readdir(listing)) != NULL;) {
        const char *name = entry->d_name;
        if (*name == '.' ||
            (journals && (is_in(spool, "queue", name) || is_in(spool, "failed", name))))
            continue;
        char *file = path_of(spool, folder, name);
        unlink(file);
        free(file);
    }
    if (listing != NULL)
        closedir(listing);
    free(path);
}

bool agent_spool_open(struct agent_spool *spool, const char *directory, bool make,
                      struct error *error) {
    *spool = (struct agent_spool){must_copy(directory), -1};
    spool->descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (spool->descriptor < 0)
        return fail(error, STATUS_NO_FILE, "%s: %s; agent-spool add makes it", directory,
                    strerror(errno));
    if (make && !make_folders(directory, error))
        return false;
    if (durable_lock(spool->descriptor, LOCK_EX | LOCK_NB)) {
        sweep(spool, "tmp");
        sweep(spool, "lock");
        sweep(spool, "journal");
    }
    return durable_lock(spool->descriptor, LOCK_SH) ||
           fail(error, STATUS_IO, "%s: cannot be locked: %s", directory, strerror(errno));
}

void agent_spool_close(struct agent_spool *spool) {
    if (spool->descriptor >= 0)
        close(spool->descriptor);
    free(spool->directory);
}

char *agent_spool_journal(const struct agent_spool *spool, const char *name) {
    return path_of(spool, "journal", name);
}

/* Names in the order of time, for who looks into the folder. */
static char *new_name(void) {
    char text[40], *noise = random_name(9);
    struct tm now = clock_utc();
    strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &now);
    char *name = must_format("%s.%s", text, noise);
    free(noise);
    return name;
}

bool agent_spool_save(const struct agent_spool *spool, const char *name, jv document, double due,
                      struct error *error) {
    char *noise = random_name(9), *text = json_text(document), *line = must_format("%s\n", text);
    char *aside = path_of(spool, "tmp", noise), *path = path_of(spool, "queue", name);
    bool good = durable_write(aside, path, line, strlen(line), due, error);
    free(noise);
    free(text);
    free(line);
    free(aside);
    free(path);
    return good;
}

char *agent_spool_add(const struct agent_spool *spool, jv document, struct error *error) {
    char *name = new_name();
    jv own = json_set(jv_object(), "added_at", jv_number(floor(clock_now())));
    jv added = json_set(jv_copy(document), "spool", own);
    bool good = agent_spool_save(spool, name, added, 0, error);
    jv_free(added);
    if (good)
        return name;
    free(name);
    return NULL;
}

static int sooner(const void *one, const void *other) {
    const struct agent_spool_entry *a = one, *b = other;
    return a->due < b->due ? -1 : a->due > b->due ? 1 : strcmp(a->name, b->name);
}

struct agent_spool_entry *agent_spool_entries(const struct agent_spool *spool, const char *folder,
                                              size_t *count, struct error *error) {
    size_t room = 16;
    struct agent_spool_entry *entries = must_alloc(room * sizeof *entries);
    char *path = must_format("%s/%s", spool->directory, folder);
    DIR *listing = opendir(path);
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
        double due = (double)facts.st_mtim.tv_sec + (double)facts.st_mtim.tv_nsec / 1e9;
        entries[(*count)++] = (struct agent_spool_entry){must_copy(entry->d_name), due};
    }
    if (listing == NULL)
        fail(error, STATUS_IO, "%s: %s", path, strerror(errno));
    else
        closedir(listing);
    free(path);
    qsort(entries, *count, sizeof *entries, sooner);
    return entries;
}

void agent_spool_free_entries(struct agent_spool_entry *entries, size_t count) {
    for (size_t i = 0; i < count; i++)
        free(entries[i].name);
    free(entries);
}

/* Whether a command that a killed process has left still has the journal. */
static bool journal_is_free(const struct agent_spool *spool, const char *name) {
    char *path = agent_spool_journal(spool, name);
    int journal = open(path, O_RDWR | O_CLOEXEC);
    bool is_free = journal < 0 || durable_lock(journal, LOCK_EX | LOCK_NB);
    if (journal >= 0)
        close(journal);
    free(path);
    return is_free;
}

int agent_spool_claim(const struct agent_spool *spool, const char *name) {
    struct stat held, named;
    char *path = path_of(spool, "lock", name);
    int claim = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    /* The file may have been removed, by who had it before, while it was being opened. */
    bool ours = claim >= 0 && durable_lock(claim, LOCK_EX | LOCK_NB) && fstat(claim, &held) == 0 &&
                stat(path, &named) == 0 && held.st_ino == named.st_ino;
    if (ours && (!is_in(spool, "queue", name) || !journal_is_free(spool, name))) {
        agent_spool_release(spool, name, claim);
        claim = -1;
    } else if (!ours && claim >= 0) {
        close(claim);
        claim = -1;
    }
    free(path);
    return claim;
}

void agent_spool_release(const struct agent_spool *spool, const char *name, int claim) {
    char *path = path_of(spool, "lock", name);
    unlink(path);
    close(claim);
    free(path);
}

bool agent_spool_read(const struct agent_spool *spool, const char *folder, const char *name,
                      jv *document, struct error *error) {
    unsigned long size;
    char *path = path_of(spool, folder, name);
    char *text = config_read_file(path, JSON_SIZE_LIMIT, &size, error);
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

bool agent_spool_move(const struct agent_spool *spool, const char *name, const char *folder,
                      struct error *error) {
    char *from = path_of(spool, "queue", name), *to = path_of(spool, folder, name);
    bool good = durable_move(from, to, error);
    if (good && strcmp(folder, "done") == 0) {
        char *journal = agent_spool_journal(spool, name);
        unlink(journal);
        free(journal);
    }
    free(from);
    free(to);
    return good;
}

bool agent_spool_finish(const struct agent_spool *spool, const char *name, jv document,
                        const char *folder, struct error *error) {
    return agent_spool_save(spool, name, document, 0, error) &&
           agent_spool_move(spool, name, folder, error);
}
