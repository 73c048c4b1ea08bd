#include "channel/question_spool.h"

#include "base/clock.h"
#include "jose/digest.h"
#include "system/durable_file.h"
#include "system/settings.h"
#include "json/json.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    QUESTION_BYTES = 2 * 1024 * 1024, /* of a file; see question_fits */
    USER_SIZE = 22,                   /* characters of a user's digest in a name */
    LEFT_SECONDS = 600                /* a file that is written aside is there for a moment */
};

static const char name_characters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                      "0123456789-_";

/* The caller frees. */
static char *folder_of(const char *directory) {
    return must_format("%s/questions", directory);
}

static char *path_of(const char *directory, const char *name) {
    return must_format("%s/questions/%s", directory, name);
}

bool question_spool_make(const char *directory, struct error *error) {
    char *folder = folder_of(directory);
    bool good = durable_folder(directory, error) && durable_folder(folder, error);
    free(folder);
    return good;
}

/* The caller frees. */
static char *prefix_of(const char *user) {
    char *digest = digest_of(user, strlen(user));
    char *prefix = must_format("%.*s.", USER_SIZE, digest + strlen("sha-256:"));
    free(digest);
    return prefix;
}

char *question_name(const char *user, const char *id) {
    if (strlen(id) != QUESTION_ID_SIZE || strspn(id, name_characters) != QUESTION_ID_SIZE)
        return NULL;
    char *prefix = prefix_of(user), *name = must_format("%s%s", prefix, id);
    free(prefix);
    return name;
}

int question_spool_lock(const char *directory, struct error *error) {
    char *folder = folder_of(directory);
    int fd = durable_open_folder(folder, error);
    if (fd >= 0 && !durable_lock(fd, LOCK_EX)) {
        fail(error, STATUS_IO, "%s: cannot be locked", folder);
        close(fd);
        fd = -1;
    }
    free(folder);
    return fd;
}

jv question_read(const char *directory, const char *name) {
    struct error ignored;
    unsigned long size = 0;
    jv question = jv_invalid();
    char *path = path_of(directory, name), *text = file_read(path, QUESTION_BYTES, &size, &ignored);
    if (text != NULL && json_parse(text, size, &question, &ignored) &&
        jv_get_kind(question) != JV_KIND_OBJECT) {
        jv_free(question);
        question = jv_invalid();
    }
    free(text);
    free(path);
    return question;
}

bool question_fits(jv question) {
    struct error ignored;
    jv again = jv_invalid();
    char *text = json_text(question);
    bool good = strlen(text) <= QUESTION_BYTES && json_parse(text, strlen(text), &again, &ignored);
    jv_free(again);
    free(text);
    return good;
}

bool question_write(const char *directory, const char *name, jv question, struct error *error) {
    char *noise = random_name(12), *aside = must_format("%s/questions/.%s", directory, noise);
    char *path = path_of(directory, name), *text = json_text(question);
    bool good = durable_write(aside, path, text, strlen(text), 0, error);
    free(noise);
    free(aside);
    free(path);
    free(text);
    return good;
}

void question_remove(const char *directory, const char *name) {
    char *path = path_of(directory, name);
    unlink(path);
    free(path);
}

static void remove_left(const char *directory, const char *name) {
    struct stat facts;
    char *path = path_of(directory, name);
    if (lstat(path, &facts) == 0 && S_ISREG(facts.st_mode) &&
        clock_now() - (double)facts.st_mtime > LEFT_SECONDS)
        unlink(path);
    free(path);
}

struct question_names question_names(const char *directory, const char *user) {
    struct question_names list = {NULL, 0};
    char *folder = folder_of(directory), *prefix = user != NULL ? prefix_of(user) : must_copy("");
    DIR *listing = opendir(folder);
    struct dirent *entry;
    while (listing != NULL && (entry = readdir(listing)) != NULL) {
        const char *name = entry->d_name;
        if (*name == '.' && strlen(name) == 1 + 16)
            remove_left(directory, name);
        if (strlen(name) != USER_SIZE + 1 + QUESTION_ID_SIZE || name[USER_SIZE] != '.' ||
            strncmp(name, prefix, strlen(prefix)) != 0)
            continue;
        list.names = must_grow(list.names, (list.count + 1) * sizeof *list.names);
        list.names[list.count++] = must_copy(name);
    }
    if (listing != NULL)
        closedir(listing);
    free(folder);
    free(prefix);
    return list;
}

void question_names_free(struct question_names *list) {
    for (size_t i = 0; i < list->count; i++)
        free(list->names[i]);
    free(list->names);
}
