/* How a run comes to have a document of the queue. */
#include "agent/folder.h"

#include "approval/journal.h"
#include "system/durable_file.h"
#include "system/settings.h"
#include "json/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RUN_LIMIT = 200 };

bool folder_lock_leads_to_log(int claim) {
    char run[RUN_LIMIT + 1];
    ssize_t size = pread(claim, run, RUN_LIMIT, 0);
    run[size > 0 ? size : 0] = '\0';
    char *path = folder_path("log", run);
    bool leads = size < 0 || (size > 0 && strchr(run, '/') == NULL && access(path, F_OK) == 0);
    free(path);
    return leads;
}

/* The lock of a document that a killed run had still says which. What that run has committed may
 * not be in the document's file yet. */
static bool settle(struct folder *folder, int claim, struct error *error) {
    char run[RUN_LIMIT + 1];
    ssize_t size = read(claim, run, RUN_LIMIT);
    run[size > 0 ? size : 0] = '\0';
    if (size > 0 && strcmp(run, folder->run) == 0)
        return true;
    char *path = folder_path("log", run);
    bool good = size >= 0 || fail(error, STATUS_IO, "its lock cannot be read: %s", strerror(errno));
    if (good && size > 0 && strchr(run, '/') == NULL && access(path, F_OK) == 0)
        good = folder_recover(folder, error) &&
               (access(path, F_OK) != 0 || /* it has not ended quite yet */
                fail(error, STATUS_NOT_YET, "another process has it"));
    free(path);
    if (good && (lseek(claim, 0, SEEK_SET) != 0 || ftruncate(claim, 0) != 0 ||
                 !durable_write_all(claim, folder->run, strlen(folder->run))))
        good = fail(error, STATUS_IO, "its lock cannot be written: %s", strerror(errno));
    return good;
}

/* Adds an entry of the old journal. */
static bool add_line(struct folder_document *document, const char *path, const char *line,
                     size_t size, struct error *error) {
    jv entry;
    struct error ignored;
    json_parse(line, size, &entry, &ignored);
    bool says, good = journal_knows(entry, path, &says, error);
    if (good && says)
        document->journal = jv_array_append(document->journal, jv_copy(entry));
    jv_free(entry);
    return good;
}

static bool add_lines(struct folder_document *document, int fd, const char *path,
                      struct error *error) {
    unsigned long size;
    char *text = file_read_descriptor(fd, path, JSON_SIZE_LIMIT, &size, error);
    bool good = text != NULL;
    for (char *line = text, *end;
         good && (end = memchr(line, '\n', size - (size_t)(line - text))) != NULL; line = end + 1)
        good = add_line(document, path, line, (size_t)(end - line), error);
    free(text);
    return good;
}

/* Writes the document with the entries of the old journal, durably and due as before. */
static bool save_with(struct folder_held *held, struct error *error) {
    struct stat facts;
    char *aside = folder_aside(), *path = folder_path("queue", held->held.name);
    held->committed.version++;
    char *text = folder_text(&held->committed, STORE_QUEUE);
    double due = 0;
    if (stat(path, &facts) == 0)
        due = (double)facts.st_mtim.tv_sec + (double)facts.st_mtim.tv_nsec / 1e9;
    bool good = durable_write(aside, path, text, strlen(text), due, error);
    free(text);
    free(aside);
    free(path);
    return good;
}

/* Takes over the journal that an earlier version kept, unless one of its commands still has it. A
 * command that comes later finds none, and does nothing. */
static bool take_over(struct folder *folder, struct folder_held *held, struct error *error) {
    char *path = folder_path("journal", held->held.name);
    char *shown = must_format("%s/%s", folder->spool.directory, path);
    int fd = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    bool good = true;
    if (fd < 0)
        good = errno == ENOENT || fail(error, STATUS_IO, "%s: %s", shown, strerror(errno));
    else if (!durable_is_ours(fd, shown, error))
        good = false;
    else if (!durable_lock(fd, LOCK_EX | LOCK_NB))
        good = fail(error, STATUS_NOT_YET, "%s: another process has it", shown);
    else
        good = add_lines(&held->committed, fd, shown, error) && save_with(held, error) &&
               (unlink(path) == 0 || fail(error, STATUS_IO, "%s: %s", shown, strerror(errno))) &&
               durable_sync_folder_of(path, error);
    if (fd >= 0)
        close(fd);
    free(shown);
    free(path);
    return good;
}

/* A document that cannot be read is moved as it is. */
static void give_up(const char *name) {
    struct error error;
    char *from = folder_path("queue", name), *to = folder_path("failed", name);
    if (!durable_move(from, to, &error))
        report(name, "%s", error.text);
    free(from);
    free(to);
}

void folder_free_held(struct folder_held *held) {
    jv_free(held->held.document);
    jv_free(held->held.journal);
    folder_free_document(&held->committed);
    free(held->held.name);
    free(held->text);
    free(held->entries.text);
    free(held);
}

struct folder_held *folder_take(struct folder *folder, const char *name, struct error *error) {
    int claim = folder_lock_again(folder, name);
    bool ours = claim >= 0;
    if (!ours)
        claim = agent_spool_claim(name, error);
    if (claim < 0)
        return NULL;
    if (!ours && !settle(folder, claim, error)) {
        close(claim); /* the lock still says which run had it */
        return NULL;
    }
    struct folder_held *held = must_alloc(sizeof *held);
    *held = (struct folder_held){.held = {must_copy(name), jv_invalid(), jv_invalid(), held, NULL},
                                 .claim = claim,
                                 .stale = true};
    if (folder_read("queue", name, &held->committed, error) && take_over(folder, held, error)) {
        held->version = held->committed.version;
        held->held.document = jv_copy(held->committed.document);
        held->held.journal = jv_copy(held->committed.journal);
        return held;
    }
    if (error->status == STATUS_INPUT)
        give_up(name);
    folder_lock_keep(folder, name, claim);
    folder_free_held(held);
    return NULL;
}

void folder_release(struct folder *folder, struct folder_held *held) {
    struct error ignored;
    if (held->outlived) { /* who has a copy of it keeps the document */
        close(held->claim);
        held->claim = agent_spool_claim(held->held.name, &ignored);
        if (held->claim >= 0)
            agent_spool_release(held->held.name, held->claim);
    } else {
        folder_lock_keep(folder, held->held.name, held->claim);
    }
    folder_free_held(held);
}
