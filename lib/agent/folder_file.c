#define _GNU_SOURCE /* syncfs */
#include "agent/folder.h"

#include "jose/digest.h"
#include "system/durable_file.h"
#include "system/settings.h"
#include "json/json.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* A document that was saved may be this much longer in its file, by its journal. */
enum { JOURNAL_LIMIT = JSON_SIZE_LIMIT / 4 };

static const char *const places[] = {
    [STORE_QUEUE] = "queue", [STORE_DONE] = "done", [STORE_FAILED] = "failed"};

const char *folder_place(enum store_place place) {
    return places[place];
}

char *folder_path(const char *place, const char *name) {
    return must_format("%s/%s", place, name);
}

char *folder_aside(void) {
    char *noise = random_name(9), *path = folder_path("tmp", noise);
    free(noise);
    return path;
}

void folder_paths_add(struct folder_paths *paths, char *path) {
    if (paths->count == paths->room)
        paths->paths =
            must_grow(paths->paths, (paths->room = paths->room * 2 + 16) * sizeof *paths->paths);
    paths->paths[paths->count++] = path;
}

void folder_paths_free(struct folder_paths *paths) {
    for (size_t i = 0; i < paths->count; i++)
        free(paths->paths[i]);
    free(paths->paths);
    *paths = (struct folder_paths){.paths = NULL};
}

/* Adds the text of an entry as a JSON string. */
static void add_entry(struct text *entries, const char *text) {
    text_add_string(entries, entries->size > 0 ? ",\"" : "\"");
    for (size_t plain; *text != '\0'; text += plain) {
        plain = strcspn(text, "\"\\\t\r");
        text_add(entries, text, plain);
        if (text[plain] != '\0') { /* a tab, or an end of a line, is between tokens */
            bool is_space = text[plain] == '\t' || text[plain] == '\r';
            text_add(entries, is_space ? " " : "\\", 1);
            text_add(entries, &text[plain], is_space ? 0 : 1);
            plain++;
        }
    }
    text_add(entries, "\"", 1);
}

static void add_entries(struct text *entries, jv journal) {
    entries->size = 0;
    jv_array_foreach(journal, i, entry) {
        char *text = json_text(entry);
        add_entry(entries, text);
        free(text);
        jv_free(entry);
    }
}

/* Adds a member to the text of an object, up to its value. */
static void open_member(struct text *object, const char *name) {
    bool is_empty = object->text[object->size - 2] == '{';
    object->size--;
    text_add_string(object, is_empty ? "\"" : ",\"");
    text_add_string(object, name);
    text_add_string(object, "\":");
}

/* What the spool keeps of its own: its data, and in `journal` the journal. */
static struct text own_text(jv document, double version, const struct text *entries) {
    jv own = json_get(document, "spool");
    if (jv_get_kind(own) != JV_KIND_OBJECT) {
        jv_free(own);
        own = jv_object();
    }
    own = json_delete(own, "journal");
    char *text = json_text(own), *number = must_format("{\"version\":%.0f,\"entries\":[", version);
    struct text whole = {.text = NULL};
    text_add_string(&whole, text);
    open_member(&whole, "journal");
    text_add_string(&whole, number);
    if (entries->size > 0)
        text_add(&whole, entries->text, entries->size);
    text_add_string(&whole, "]}}");
    jv_free(own);
    free(text);
    free(number);
    return whole;
}

/* `rest` is the text of the document without its member `spool`; NULL if it is not known. */
static char *file_text(jv document, const char *rest, double version, const struct text *entries,
                       enum store_place place) {
    jv other = json_delete(jv_copy(document), "spool"), own = json_get(document, "spool");
    char *made = rest == NULL ? json_text(other) : NULL;
    struct text whole = {.text = NULL}, member = {.text = NULL};
    text_add_string(&whole, rest != NULL ? rest : made);
    if (place != STORE_DONE) {
        member = own_text(document, version, entries);
    } else if (jv_is_valid(own)) {
        char *text = json_text(own);
        text_add_string(&member, text);
        free(text);
    }
    if (member.size > 0) {
        open_member(&whole, "spool");
        text_add(&whole, member.text, member.size);
        text_add_string(&whole, "}");
    }
    text_add_string(&whole, "\n");
    free(member.text);
    free(made);
    jv_free(other);
    jv_free(own);
    return whole.text;
}

char *folder_text(const struct folder_document *document, enum store_place place) {
    struct text entries = {.text = NULL};
    add_entries(&entries, document->journal);
    char *text = file_text(document->document, NULL, document->version, &entries, place);
    free(entries.text);
    return text;
}

char *folder_held_text(struct folder_held *held) {
    if (held->stale)
        add_entries(&held->entries, held->held.journal);
    held->stale = false;
    return file_text(held->held.document, held->held.text, held->version, &held->entries,
                     held->place);
}

void folder_add_entry(struct folder_held *held, const char *text) {
    if (!held->stale)
        add_entry(&held->entries, text);
}

bool folder_part(struct folder_document *document) {
    jv own = json_get(document->document, "spool"), form = json_get(own, "journal");
    bool good = true;
    if (jv_is_valid(form)) {
        jv entries = json_array(form, "entries");
        jv_array_foreach(entries, i, text) {
            struct error ignored;
            jv entry = jv_invalid();
            const char *bytes = json_value_string(text);
            good = good && bytes != NULL && json_parse(bytes, strlen(bytes), &entry, &ignored) &&
                   jv_get_kind(entry) == JV_KIND_OBJECT;
            if (good)
                document->journal = jv_array_append(document->journal, jv_copy(entry));
            jv_free(entry);
            jv_free(text);
        }
        good = good && json_number(form, "version", &document->version);
        jv_free(entries);
        document->document = json_set(document->document, "spool", json_delete(own, "journal"));
    } else {
        jv_free(own);
    }
    jv_free(form);
    return good;
}

/* Not while folder_finish writes it. */
static char *read_whole(int fd, const char *path, unsigned long *size, struct error *error) {
    durable_lock(fd, LOCK_SH);
    return file_read_descriptor(fd, path, JSON_SIZE_LIMIT + JOURNAL_LIMIT, size, error);
}

/* The file's text, which the caller frees. */
static char *read_text(const char *path, unsigned long *size, struct error *error) {
    struct stat facts;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    char *text = NULL;
    if (fd < 0 || fstat(fd, &facts) != 0)
        fail(error, STATUS_NO_FILE, "%s: %s", path, strerror(errno));
    else if (!S_ISREG(facts.st_mode))
        fail(error, STATUS_NO_FILE, "%s: is not a regular file", path);
    else if (facts.st_size > JSON_SIZE_LIMIT + JOURNAL_LIMIT)
        fail(error, STATUS_INPUT, "%s: larger than %d MiB", path, JSON_SIZE_LIMIT >> 20);
    else
        text = read_whole(fd, path, size, error);
    if (fd >= 0)
        close(fd);
    return text;
}

static bool parse(const char *path, const char *text, size_t size, struct folder_document *document,
                  struct error *error) {
    struct error why;
    bool good = json_parse(text, size, &document->document, &why);
    if (good && jv_get_kind(document->document) != JV_KIND_OBJECT)
        good = fail(&why, STATUS_INPUT, "is not a JSON object");
    if (good && !folder_part(document))
        good = fail(&why, STATUS_INPUT, "its journal, the member spool.journal, is broken");
    if (good && document->version == 0 && size > JSON_SIZE_LIMIT)
        good = fail(&why, STATUS_INPUT, "larger than %d MiB", JSON_SIZE_LIMIT >> 20);
    return good || fail(error, STATUS_INPUT, "%s: %.800s", path, why.text);
}

bool folder_read(const char *place, const char *name, struct folder_document *document,
                 struct error *error) {
    unsigned long size;
    char *path = folder_path(place, name), *text = read_text(path, &size, error);
    *document = (struct folder_document){jv_invalid(), jv_array(), 0};
    bool good = text != NULL && parse(path, text, size, document, error);
    if (!good) {
        folder_free_document(document);
        *document = (struct folder_document){jv_invalid(), jv_invalid(), -1};
    }
    free(text);
    free(path);
    return good;
}

void folder_free_document(struct folder_document *document) {
    jv_free(document->document);
    jv_free(document->journal);
}

static bool put(int fd, const char *text, double due) {
    if (!durable_write_all(fd, text, strlen(text)))
        return false;
    time_t seconds = (time_t)floor(due);
    struct timespec time = {seconds, (long)((due - (double)seconds) * 1e9)};
    return due <= 0 || futimens(fd, (struct timespec[]){time, time}) == 0;
}

bool folder_write(struct folder *folder, const char *name, const char *text, enum store_place place,
                  double due, struct error *error) {
    char *aside = folder_aside(), *path = folder_path(places[place], name);
    char *queued = folder_path("queue", name);
    int fd = open(aside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool good = fd >= 0 && put(fd, text, due) && rename(aside, path) == 0 &&
                (place == STORE_QUEUE || unlink(queued) == 0 || errno == ENOENT);
    if (!good) {
        fail(error, STATUS_IO, "%s: %s", path, strerror(errno));
        unlink(aside);
    }
    if (fd >= 0)
        close(fd);
    free(aside);
    free(queued);
    folder_paths_add(&folder->unsynced, path);
    return good;
}

/* Whether the text can take the place of what the file has, without room on the disk or another
 * name that would have it too. */
static bool has_place(int fd, off_t size, struct stat *facts) {
    enum { BLOCK = 512 };
    return fd >= 0 && fstat(fd, facts) == 0 && S_ISREG(facts->st_mode) && facts->st_nlink == 1 &&
           facts->st_blocks * BLOCK >= size;
}

/* The log has the text; should this process be killed half-way, what is in the file has no version,
 * or an older one, or cannot be read. */
bool folder_finish(struct folder *folder, const char *name, const char *text, struct error *error) {
    struct stat facts;
    char *from = folder_path("queue", name), *to = folder_path("done", name);
    int fd = open(from, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    off_t size = (off_t)strlen(text);
    bool good = has_place(fd, size, &facts) && durable_lock(fd, LOCK_EX | LOCK_NB) &&
                durable_write_all(fd, text, (size_t)size) &&
                (facts.st_size <= size || ftruncate(fd, size) == 0) && rename(from, to) == 0;
    if (fd >= 0)
        close(fd);
    free(from);
    if (!good) {
        free(to);
        return folder_write(folder, name, text, STORE_DONE, 0, error);
    }
    folder_paths_add(&folder->unsynced, to);
    return true;
}

bool folder_sync_file(const char *path, struct error *error) {
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT || fail(error, STATUS_IO, "%s: %s", path, strerror(errno));
    bool good = durable_sync(fd) || errno == EINVAL; /* some cannot sync a folder */
    if (!good)
        fail(error, STATUS_IO, "%s: %s", path, strerror(errno));
    close(fd);
    return good;
}

bool folder_sync(const struct folder *folder, const struct folder_paths *paths,
                 struct error *error) {
#ifdef __linux__
    if (paths->count > FOLDER_SYNC_ONE_BY_ONE && syncfs(folder->spool.descriptor) == 0)
        return true;
#else
    (void)folder;
#endif
    bool good = true;
    for (size_t i = 0; good && i < paths->count; i++)
        good = folder_sync_file(paths->paths[i], error);
    for (size_t i = 0; good && i < sizeof places / sizeof *places; i++)
        good = folder_sync_file(places[i], error);
    return good;
}
