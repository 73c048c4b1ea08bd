/* A run's log: a block for each commit, in the order of the commits:
 *
 *     1 SIZE BOOT DIGEST     of the bytes that follow
 *     records, each two lines of JSON: what it is, and its body
 *         {"name":…,"version":…,"place":"queue","due":…}   the document's file
 *         {"name":…,"version":…}                           an entry of its journal
 *         {"spent":…}                                      the end of a use of an approval
 *
 * The body is a line of its own so that it can be as deep and large as a document. */
#include "agent/folder.h"

#include "base/clock.h"
#include "jose/digest.h"
#include "system/durable_file.h"
#include "system/settings.h"
#include "json/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { HEAD_LIMIT = 200, BOOT_LIMIT = 64 };
#define LOG_LIMIT ((1UL << 31) - 1)

static void put_line(struct folder *folder, jv value) {
    char *text = json_text(value);
    text_add_string(&folder->put_in, text);
    text_add(&folder->put_in, "\n", 1);
    free(text);
    jv_free(value);
}

static jv head_of(const struct folder_held *held) {
    jv head = json_set_string(jv_object(), "name", held->held.name);
    return json_set(head, "version", jv_number(held->version));
}

void folder_log_save(struct folder *folder, const struct folder_held *held, const char *text) {
    jv head = json_set_string(head_of(held), "place", folder_place(held->place));
    put_line(folder, json_set(head, "due", jv_number(held->due)));
    text_add_string(&folder->put_in, text);
}

void folder_log_entry(struct folder *folder, const struct folder_held *held, const char *entry) {
    put_line(folder, head_of(held));
    text_add_string(&folder->put_in, entry);
    text_add(&folder->put_in, "\n", 1);
}

void folder_log_spent(struct folder *folder, const char *name, jv ending) {
    put_line(folder, json_set_string(jv_object(), "spent", name));
    put_line(folder, ending);
}

static char *log_path(const struct folder *folder) {
    return folder_path("log", folder->run);
}

static const char *boot(void) {
    const char *name = clock_boot();
    return *name != '\0' ? name : "-";
}

/* Somebody who looks for logs of dead runs may have it, or remove it, before it is locked. */
static bool open_log(struct folder *folder, const char *path, struct error *error) {
    while (folder->log < 0) {
        int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0 || !durable_lock(fd, LOCK_EX)) {
            fail(error, STATUS_IO, "%s: %s", path, strerror(errno));
            if (fd >= 0)
                close(fd);
            return false;
        }
        if (durable_is_named(fd, path))
            folder->log = fd;
        else
            close(fd);
    }
    folder->log_end = 0;
    if (durable_sync_folder_of(path, error))
        return true;
    close(folder->log);
    folder->log = -1;
    return false;
}

/* Cuts off what a failed write left. */
static enum commit take_back(struct folder *folder) {
    if (ftruncate(folder->log, folder->log_end) == 0 && durable_sync(folder->log))
        return COMMIT_REFUSED;
    folder->lost = true;
    return COMMIT_LOST;
}

enum commit folder_log_write(struct folder *folder, struct error *error) {
    if (folder->put_in.size == 0)
        return COMMITTED;
    char *path = log_path(folder);
    if (folder->log < 0 && !open_log(folder, path, error)) {
        free(path);
        return COMMIT_REFUSED;
    }
    char *digest = digest_of(folder->put_in.text, folder->put_in.size);
    char *head = must_format("1 %zu %s %s\n", folder->put_in.size, boot(), digest);
    size_t size = strlen(head), whole = size + folder->put_in.size;
    char *block = must_alloc(whole);
    memcpy(block, head, size);
    memcpy(block + size, folder->put_in.text, folder->put_in.size);
    enum commit commit = COMMITTED;
    if (durable_write_all(folder->log, block, whole) && durable_sync(folder->log)) {
        if (folder->log_end == 0)
            folder->log_since = clock_elapsed();
        folder->log_end += (off_t)whole;
    } else {
        fail(error, STATUS_IO, "%s: %s", path, strerror(errno));
        commit = take_back(folder);
    }
    free(block);
    free(digest);
    free(head);
    free(path);
    return commit;
}

bool folder_log_empty(struct folder *folder, struct error *error) {
    if (ftruncate(folder->log, 0) != 0 || !durable_sync(folder->log))
        return fail(error, STATUS_IO, "log/%s: %s", folder->run, strerror(errno));
    folder->log_end = 0;
    return true;
}

bool folder_log_remove(struct folder *folder, struct error *error) {
    if (folder->log < 0)
        return true;
    char *path = log_path(folder);
    bool good = unlink(path) == 0 || fail(error, STATUS_IO, "%s: %s", path, strerror(errno));
    good = good && durable_sync_folder_of(path, error);
    free(path);
    close(folder->log);
    folder->log = -1;
    return good;
}

/* The records of a block. */
static void read_records(const char *text, const char *end,
                         void (*each)(void *context, jv head, jv body), void *context) {
    while (text < end) {
        jv lines[2] = {jv_invalid(), jv_invalid()};
        struct error ignored;
        bool good = true;
        for (int i = 0; i < 2 && good; i++) {
            const char *newline = memchr(text, '\n', (size_t)(end - text));
            good =
                newline != NULL && json_parse(text, (size_t)(newline - text), &lines[i], &ignored);
            text = newline != NULL ? newline + 1 : end;
        }
        if (good)
            each(context, lines[0], lines[1]);
        jv_free(lines[0]);
        jv_free(lines[1]);
    }
}

/* Where the block at `text` has its records; NULL if it is not whole. */
static const char *read_head(const char *text, const char *end, size_t *size, bool *same_boot) {
    char head[HEAD_LIMIT + 1], name[BOOT_LIMIT + 1], digest[HEAD_LIMIT + 1];
    const char *newline = memchr(text, '\n', (size_t)(end - text));
    if (newline == NULL || newline - text > HEAD_LIMIT)
        return NULL;
    memcpy(head, text, (size_t)(newline - text));
    head[newline - text] = '\0';
    if (sscanf(head, "1 %zu %64s %200s", size, name, digest) != 3 ||
        *size > (size_t)(end - newline - 1))
        return NULL;
    char *actual = digest_of(newline + 1, *size);
    bool whole = strcmp(actual, digest) == 0;
    free(actual);
    *same_boot = *same_boot && strcmp(name, "-") != 0 && strcmp(name, boot()) == 0;
    return whole ? newline + 1 : NULL;
}

/* Whether its first block is in a format that we do not know. What a power cut leaves is not. */
static bool is_later(const char *text) {
    char *end;
    unsigned long version = strtoul(text, &end, 10);
    return version > 1 && end != text && *end == ' ';
}

bool folder_log_read(int fd, const char *path, void (*each)(void *context, jv head, jv body),
                     void *context, bool *same_boot, struct error *error) {
    unsigned long size;
    size_t block;
    if (lseek(fd, 0, SEEK_SET) < 0)
        return fail(error, STATUS_IO, "%s: %s", path, strerror(errno));
    char *text = file_read_descriptor(fd, path, LOG_LIMIT, &size, error);
    if (text == NULL)
        return false;
    const char *at = text, *end = text + size;
    *same_boot = true;
    if (is_later(text)) {
        free(text);
        return fail(error, STATUS_INPUT,
                    "%s: was written by a later version of this command; use that version", path);
    }
    while ((at = read_head(at, end, &block, same_boot)) != NULL) {
        read_records(at, at + block, each, context);
        at += block;
    }
    free(text);
    return true;
}
