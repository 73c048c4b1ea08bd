#include "audit.h"

#include "appended.h"
#include "clock.h"
#include "digest.h"
#include "json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char digest_member[] = ",\"digest\":\"";

/* Whether the log has a line with this id. False as well, with an error, if it cannot be read. */
static bool has_id(const char *path, const char *id, struct error *error) {
    char *line = NULL, *wanted = must_format("\"id\":\"%s\"", id);
    size_t room = 0;
    bool found = false;
    FILE *file = fopen(path, "re");
    while (file != NULL && !found && getline(&line, &room, file) >= 0)
        found = strstr(line, wanted) != NULL;
    if (file == NULL || (!found && ferror(file)))
        fail(error, STATUS_IO, "%s: %s", path, strerror(errno));
    if (file != NULL)
        fclose(file);
    free(line);
    free(wanted);
    return found;
}

/* The line for a record, with its newline. Takes the record; the caller frees. */
static char *make_line(jv record) {
    char *text = json_text(record);
    text[strlen(text) - 1] = '\0'; /* the closing brace, before which the digest stands */
    char *digest = digest_of(text, strlen(text));
    char *line = must_format("%s%s%s\"}\n", text, digest_member, digest);
    jv_free(record);
    free(text);
    free(digest);
    return line;
}

/* The record as the next line behind `last`, NULL for none. Takes the record. False and an error.
 */
static bool chain(jv *record, const char *path, const char *last, struct error *error) {
    jv before = jv_invalid();
    double number = 0;
    bool good = last == NULL ||
                (json_parse(last, strlen(last), &before, error) &&
                 json_number(before, "n", &number) && json_string(before, "digest") != NULL);
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

bool audit_append(const char *path, jv record, bool once, struct error *error) {
    *error = (struct error){STATUS_DONE, ""};
    int fd = appended_open(path, error);
    if (fd < 0) {
        jv_free(record);
        return false;
    }
    const char *id = json_string(record, "id");
    bool told = once && id != NULL && has_id(path, id, error), good = error->status == STATUS_DONE;
    if (good && !told) {
        char *last = appended_last_line(fd, path, error), *line = NULL, text[40];
        struct tm now = clock_utc();
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &now);
        record = json_set_string(record, "command", program_name());
        record = json_set_string(record, "time", text);
        good = error->status == STATUS_DONE && chain(&record, path, last, error);
        if (good) {
            line = make_line(jv_copy(record));
            good = appended_add(fd, path, line, strlen(line), error);
        }
        free(last);
        free(line);
    }
    jv_free(record);
    close(fd);
    return good;
}

/* What is wrong with a line (`size` bytes, its newline included) by itself, NULL for nothing; else
 * *record is set. To the byte it must be what make_line writes: nothing stands behind the digest.
 */
static const char *line_fault(char *line, size_t size, jv *record) {
    struct error ignored;
    char *digest_at = NULL;
    if (line[size - 1] != '\n')
        return "is cut off";
    for (char *at = line; (at = strstr(at, digest_member)) != NULL; at++)
        digest_at = at;
    if (digest_at == NULL || !json_parse(line, size - 1, record, &ignored))
        return "is not a line of an audit log";
    char *digest = digest_of(line, (size_t)(digest_at - line));
    char *end = must_format("%s%s\"}\n", digest_member, digest);
    bool same = strlen(end) == size - (size_t)(digest_at - line) &&
                memcmp(end, digest_at, strlen(end)) == 0;
    free(end);
    free(digest);
    return same ? NULL : "was changed";
}

/* How a line stands to the one before: `head` is that one's digest, `expected` the number due. */
static const char *order_fault(jv record, const char *head, double expected) {
    double number = 0;
    json_number(record, "n", &number);
    bool follows = head == NULL ? !json_has(record, "previous") : json_is(record, "previous", head);
    if (number > expected)
        return "does not follow: lines before it were removed";
    if (number < expected)
        return "does not follow: it was moved, or put in twice";
    return follows ? NULL : "does not follow: the line before it was changed";
}

bool audit_verify(const char *path, const char *wanted,
                  void (*fault)(unsigned long line, const char *what),
                  struct audit_summary *summary, struct error *error) {
    char *line = NULL;
    size_t room = 0;
    ssize_t size;
    double expected = 1;
    *summary = (struct audit_summary){.saw_wanted = wanted == NULL};
    FILE *file = fopen(path, "re");
    while (file != NULL && (size = getline(&line, &room, file)) >= 0) {
        jv record = jv_invalid();
        summary->lines++;
        const char *what = line_fault(line, (size_t)size, &record);
        if (what == NULL)
            what = order_fault(record, summary->head, expected);
        if (what != NULL) {
            summary->faults++;
            fault(summary->lines, what);
        }
        const char *digest = json_string(record, "digest");
        if (digest != NULL) {
            json_number(record, "n", &expected);
            free(summary->head);
            summary->head = must_copy(digest);
            if (wanted != NULL && strcmp(digest, wanted) == 0)
                summary->saw_wanted = true;
        }
        expected++;
        jv_free(record);
    }
    bool good = file != NULL && !ferror(file);
    if (!good)
        fail(error, STATUS_NO_FILE, "%s: %s", path, strerror(errno));
    if (file != NULL)
        fclose(file);
    free(line);
    return good;
}
