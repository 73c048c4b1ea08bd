#include "report/logs.h"

#include "report/when.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file without a name, in place of what can be read only once. Takes the descriptor when it is
 * copied. */
static bool open_copy(struct log_file *file, struct error *error) {
    FILE *temporary = tmpfile();
    int copy = temporary != NULL ? fcntl(fileno(temporary), F_DUPFD_CLOEXEC, 0) : -1;
    if (temporary != NULL)
        fclose(temporary);
    if (copy < 0)
        return fail(error, STATUS_IO, "no temporary file for %s: %s", file->path, strerror(errno));
    file->reader.fd = copy;
    return true;
}

bool logs_have(const struct logs *logs, int fd) {
    struct stat facts;
    if (fstat(fd, &facts) != 0)
        return false;
    for (size_t i = 0; i < logs->count; i++)
        if (logs->files[i].inode == facts.st_ino && logs->files[i].device == facts.st_dev)
            return true;
    return false;
}

bool logs_open(struct logs *logs, char *const *paths, size_t count, struct error *error) {
    logs->files = must_alloc(count * sizeof *logs->files);
    for (logs->count = 0; logs->count < count; logs->count++) {
        struct log_file *file = &logs->files[logs->count];
        struct stat facts;
        const char *path = paths[logs->count];
        *file = (struct log_file){.path = path, .reader = {.fd = -1}};
        file->fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
        if (file->fd < 0 || fstat(file->fd, &facts) != 0)
            return fail(error, STATUS_NO_FILE, "%s: %s", path, strerror(errno));
        if (logs_have(logs, file->fd))
            return fail(error, STATUS_USAGE, "%s: is given twice", path);
        file->device = facts.st_dev;
        file->inode = facts.st_ino;
        if (S_ISDIR(facts.st_mode))
            return fail(error, STATUS_NO_FILE, "%s: is a folder", path);
        if (!S_ISREG(facts.st_mode) && !open_copy(file, error)) {
            logs->count++;
            return false;
        }
    }
    return true;
}

void logs_free(struct logs *logs) {
    for (size_t i = 0; i < logs->count; i++) {
        struct log_file *file = &logs->files[i];
        if (file->fd >= 0)
            close(file->fd);
        if (file->reader.fd >= 0 && file->reader.fd != file->fd)
            close(file->reader.fd);
        free(file->summary.head);
        free(file->again.head);
        free(file->first_previous);
        free(file->line.other);
        audit_reader_free(&file->reader);
    }
    free(logs->files);
}

static bool copy_all(struct log_file *file, struct error *error) {
    char block[65536];
    ssize_t got;
    while ((got = read(file->fd, block, sizeof block)) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail(error, STATUS_NO_FILE, "%s: %s", file->path, strerror(errno));
        for (ssize_t done = 0, put; done < got; done += put)
            if ((put = write(file->reader.fd, block + done, (size_t)(got - done))) < 0)
                return fail(error, STATUS_IO, "%s: cannot be copied, to be read twice: %s",
                            file->path, strerror(errno));
    }
    close(file->fd);
    file->fd = file->reader.fd;
    return lseek(file->fd, 0, SEEK_SET) == 0 ||
           fail(error, STATUS_IO, "%s: %s", file->path, strerror(errno));
}

static bool verify(struct logs *logs, struct log_file *file, struct error *error) {
    const char *line;
    size_t size;
    if (file->reader.fd >= 0 && !copy_all(file, error))
        return false;
    file->reader = (struct audit_reader){.fd = file->fd, .left = ULLONG_MAX};
    file->summary.may_follow = file->again.may_follow = true;
    while (audit_reader_next(&file->reader, file->path, &line, &size, error)) {
        const char *what = audit_chain_next(&file->summary, line, size, NULL, &file->line);
        file->size += size;
        if (file->summary.lines == 1) {
            file->first_previous = audit_line_text(&file->line, AUDIT_PREVIOUS);
            audit_line_number(&file->line, AUDIT_N, &file->first_number);
        }
        if (what != NULL && file->summary.faults <= LOG_FAULTS_TOLD)
            logs->fault(file->path, file->summary.lines, what);
    }
    return error->status == STATUS_DONE;
}

/* A file goes after the one whose last line its first line follows. The numbers grow, so that a
 * forged log cannot make a circle. */
static void chain(struct logs *logs) {
    for (size_t i = 0; i < logs->count; i++)
        for (size_t j = 0; j < logs->count && logs->files[i].before == NULL; j++) {
            struct log_file *file = &logs->files[i], *other = &logs->files[j];
            if (i == j || file->first_previous == NULL || other->summary.head == NULL ||
                other->after != NULL || file->first_number <= other->first_number ||
                strcmp(file->first_previous, other->summary.head) != 0)
                continue;
            file->before = other;
            other->after = file;
        }
}

static void rewind_file(struct log_file *file) {
    int fd = file->fd;
    audit_reader_free(&file->reader);
    file->reader = (struct audit_reader){.fd = fd, .left = file->size};
    lseek(fd, 0, SEEK_SET);
}

/* The next line that is one. */
static bool advance(struct log_file *file, struct error *error) {
    const char *line;
    size_t size;
    while ((file->has_line = audit_reader_next(&file->reader, file->path, &line, &size, error))) {
        file->faulty = audit_chain_next(&file->again, line, size, NULL, &file->line) != NULL;
        if (!audit_line_has(&file->line, AUDIT_EVENT))
            continue;
        struct json_span at = file->line.member[AUDIT_TIME];
        if (at.size <= 2 || !when_read(at.text + 1, at.size - 2, &file->time))
            file->time = file->order;
        file->order = fmax(file->order, file->time);
        return true;
    }
    return error->status == STATUS_DONE;
}

bool logs_verify(struct logs *logs, struct error *error) {
    for (size_t i = 0; i < logs->count; i++)
        if (!verify(logs, &logs->files[i], error))
            return false;
    chain(logs);
    for (size_t i = 0; i < logs->count; i++) {
        rewind_file(&logs->files[i]);
        if (logs->files[i].before == NULL && !advance(&logs->files[i], error))
            return false;
    }
    return true;
}

unsigned long logs_faults(const struct logs *logs) {
    unsigned long faults = 0;
    for (size_t i = 0; i < logs->count; i++)
        faults += logs->files[i].summary.faults;
    return faults;
}

/* After the last line of a file the chain goes on in the next. The first line of a chain is already
 * there: the file of the line that is given out moves on at the next call. */
static bool move_on(struct log_file *file, struct error *error) {
    if (!advance(file, error))
        return false;
    for (; !file->has_line && file->after != NULL; file = file->after) {
        file->after->order = file->order;
        if (!advance(file->after, error))
            return false;
    }
    return true;
}

const struct log_file *logs_next(struct logs *logs, struct error *error) {
    struct log_file *first = NULL;
    *error = (struct error){STATUS_DONE, ""};
    if (logs->given != NULL && !move_on(logs->given, error))
        return NULL;
    for (size_t i = 0; i < logs->count; i++) {
        struct log_file *file = &logs->files[i];
        if (file->has_line && (first == NULL || file->order < first->order))
            first = file;
    }
    logs->given = first;
    return first;
}
