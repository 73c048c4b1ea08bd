#include "approval/audit.h"

#include "approval/audit_origin.h"
#include "base/clock.h"
#include "base/program_name.h"
#include "base/text.h"
#include "jose/digest.h"
#include "system/append_file.h"
#include "system/durable_file.h"
#include "json/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Opens the log from that many rotations ago (logrotate(8) renames each file to the next number),
 * and waits until nobody appends to it. `fd` is the current log, -1 if it does not exist yet.
 * Returns -1 if there is none; with an error if it cannot be used. The holder of a later log waits
 * for the holder of an earlier one, never the reverse. */
static int open_earlier(int fd, const char *path, int times, struct error *error) {
    struct stat ours, theirs;
    char *real = realpath(path, NULL);
    char *earlier = must_format("%s.%d", real != NULL ? real : path, times);
    int before = open(earlier, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    bool good = before >= 0 && fstat(before, &theirs) == 0;
    if (!good && errno != ENOENT)
        fail(error, STATUS_IO, "%s: %s", earlier, strerror(errno));
    else if (good && fd >= 0 && fstat(fd, &ours) == 0 && ours.st_ino == theirs.st_ino &&
             ours.st_dev == theirs.st_dev)
        good = fail(error, STATUS_IO, "%s: was moved away while it was written; try again", path);
    else if (good && !S_ISREG(theirs.st_mode))
        good = fail(error, STATUS_IO, "%s: is no file", earlier);
    else if (good)
        good = durable_is_ours(before, earlier, error);
    if (good && !durable_lock(before, LOCK_SH))
        good = fail(error, STATUS_IO, "%s: %s", earlier, strerror(errno));
    if (!good && before >= 0)
        close(before);
    free(real);
    free(earlier);
    return good ? before : -1;
}

/* The number of the next rotated log after `times`; 0 if there is none. Sets *before to it, open.
 * One number may be missing during a rotation. */
static int next_earlier(int fd, const char *path, int times, int *before, struct error *error) {
    for (int next = times + 1; next <= times + 2 && error->status == STATUS_DONE; next++)
        if ((*before = open_earlier(fd, path, next, error)) >= 0)
            return next;
    return 0;
}

/* Whether the file has a line with this id. Takes the descriptor. */
static bool file_has_id(int fd, const char *path, const char *id, struct error *error) {
    char *line = NULL, *wanted = must_format("\"id\":\"%s\"", id);
    size_t room = 0;
    bool found = false;
    FILE *file = lseek(fd, 0, SEEK_SET) == 0 ? fdopen(fd, "r") : NULL;
    while (file != NULL && !found && getline(&line, &room, file) >= 0)
        found = strstr(line, wanted) != NULL;
    if (file == NULL || (!found && ferror(file)))
        fail(error, STATUS_IO, "%s: %s", path, strerror(errno));
    if (file != NULL)
        fclose(file);
    else
        close(fd);
    free(line);
    free(wanted);
    return found;
}

/* Whether the open log, or an earlier one that still has its name, has a line with this id. Also
 * false, with an error, if that cannot be determined. */
static bool has_id(int fd, const char *path, const char *id, struct error *error) {
    int file = dup(fd);
    if (file < 0)
        return fail(error, STATUS_IO, "%s: %s", path, strerror(errno));
    bool found = file_has_id(file, path, id, error);
    for (int times = 0; !found && (times = next_earlier(fd, path, times, &file, error)) > 0;)
        found = file_has_id(file, path, id, error);
    return found;
}

/* The line that the next one follows: the last of the open log (`fd`, -1: does not exist yet) or of
 * those before it; NULL if there is none. The caller frees. Also NULL, with an error, if it cannot
 * be read. */
static char *last_line(int fd, const char *path, struct error *error) {
    int before;
    char *line = fd >= 0 ? append_file_last_line(fd, path, error) : NULL;
    for (int times = 0; line == NULL && error->status == STATUS_DONE &&
                        (times = next_earlier(fd, path, times, &before, error)) > 0;) {
        line = append_file_last_line(before, path, error);
        close(before);
    }
    return line;
}

/* The line for a record, with its newline. Takes the record; the caller frees. */
static char *make_line(jv record) {
    char *text = json_visible(record);
    text[strlen(text) - 1] = '\0'; /* the closing brace, before which the digest is inserted */
    char *digest = digest_of(text, strlen(text));
    char *line = must_format("%s,\"digest\":\"%s\"}\n", text, digest);
    jv_free(record);
    free(text);
    free(digest);
    return line;
}

/* Makes the record the next line after `last`, NULL for none. Takes the record. False and an
 * error. */
static bool chain(jv *record, const char *path, const char *last, struct error *error) {
    jv before = jv_invalid();
    double number = 0;
    bool good = last == NULL ||
                (json_parse(last, strlen(last), &before, error) &&
                 json_is_format(before, AUDIT_LINE_FORMAT) && json_number(before, "n", &number) &&
                 json_string(before, "digest") != NULL);
    if (good) {
        const char *previous = json_string(before, "digest");
        *record = json_set(*record, "n", jv_number(number + 1));
        *record = json_set(*record, "previous", previous ? jv_string(previous) : jv_null());
    } else {
        fail(error, STATUS_INPUT, "%s: its last line is not of an audit log; see audit-verify",
             path);
    }
    jv_free(before);
    return good;
}

/* Sets what a record has of its own. Takes it. */
static jv stamp(jv record) {
    char time[40];
    struct tm now = clock_utc();
    strftime(time, sizeof time, "%Y-%m-%dT%H:%M:%SZ", &now);
    record = json_set(record, "format", jv_number(AUDIT_LINE_FORMAT));
    record = json_set_string(record, "command", program_name());
    return audit_origin(json_set_string(record, "time", time));
}

jv audit_stamp(jv records) {
    jv stamped = jv_array();
    jv_array_foreach(records, i, record) {
        stamped = jv_array_append(stamped, stamp(record));
    }
    jv_free(records);
    return stamped;
}

/* The lines that a record adds after `last`, which becomes the last of them. Takes the record.
 * False and an error. */
static bool add_line(struct text *lines, char **last, const char *path, jv record,
                     struct error *error) {
    record = stamp(record);
    if (!chain(&record, path, *last, error)) {
        jv_free(record);
        return false;
    }
    char *line = make_line(record);
    text_add_string(lines, line);
    line[strlen(line) - 1] = '\0';
    free(*last);
    *last = line;
    return true;
}

bool audit_append_unless(const char *path, jv record, const char *const *ids, bool *there,
                         struct error *error) {
    struct text lines = {0};
    char *last = NULL;
    *error = (struct error){STATUS_DONE, ""};
    *there = false;
    int fd = append_file_open(path, true, error);
    for (; fd >= 0 && *ids != NULL && !*there && error->status == STATUS_DONE; ids++)
        *there = has_id(fd, path, *ids, error);
    bool good = fd >= 0 && error->status == STATUS_DONE;
    if (good && !*there) {
        last = last_line(fd, path, error);
        good = error->status == STATUS_DONE &&
               add_line(&lines, &last, path, jv_copy(record), error) &&
               append_file_add(fd, path, lines.text, lines.size, error);
    }
    jv_free(record);
    free(lines.text);
    free(last);
    if (fd >= 0)
        close(fd);
    return good;
}

bool audit_append(const char *path, jv records, bool once, struct error *error) {
    struct text lines = {0};
    char *last = NULL;
    *error = (struct error){STATUS_DONE, ""};
    int fd = append_file_open(path, true, error);
    bool good = fd >= 0, begun = false;
    jv_array_foreach(records, i, record) {
        const char *id = json_string(record, "id");
        bool told = good && once && id != NULL && has_id(fd, path, id, error);
        good = good && error->status == STATUS_DONE;
        if (good && !told && !begun) {
            last = last_line(fd, path, error);
            begun = good = error->status == STATUS_DONE;
        }
        if (good && !told)
            good = add_line(&lines, &last, path, jv_copy(record), error);
        jv_free(record);
    }
    if (good && lines.size > 0)
        good = append_file_add(fd, path, lines.text, lines.size, error);
    jv_free(records);
    free(lines.text);
    free(last);
    if (fd >= 0)
        close(fd);
    return good;
}

bool audit_ready(const char *path, struct error *error) {
    if (!durable_ready(path, false, error))
        return false;
    int fd = access(path, F_OK) == 0 ? append_file_open(path, true, error) : -1;
    char *last = error->status == STATUS_DONE ? last_line(fd, path, error) : NULL;
    jv record = jv_object();
    bool good = error->status == STATUS_DONE && chain(&record, path, last, error);
    jv_free(record);
    free(last);
    if (fd >= 0)
        close(fd);
    return good;
}
