/* The file `due` of a spool in which many documents wait, so that a run that finds nothing to do
 * need not look at each:
 *
 *     1 BOOT MODIFIED SCANNED COUNT SOONEST    of the queue's folder and of its documents
 *     DUE NAME                                 of each
 *
 * It counts only as long as the folder is unchanged; and for a few minutes, because touch(1) on a
 * document, which makes it due, does not change the folder. It need not survive a crash of the
 * machine. */
#include "agent/folder.h"

#include "base/clock.h"
#include "system/durable_file.h"
#include "system/settings.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FEW = 1000, HEAD_LIMIT = 300, GOOD_SECONDS = 300 };
#define INDEX_LIMIT (1UL << 30)
static const char path[] = "due";
static const double tick = 0.02; /* seconds: two changes in one may give the same time */

struct head {
    char boot[65];
    long long seconds, nanoseconds;
    double scanned_at, soonest;
    size_t count;
};

static bool is_of_now(const struct head *head) {
    struct stat facts;
    double age = clock_now() - head->scanned_at;
    return *clock_boot() != '\0' && strcmp(head->boot, clock_boot()) == 0 &&
           stat("queue", &facts) == 0 && facts.st_mtim.tv_sec == head->seconds &&
           facts.st_mtim.tv_nsec == head->nanoseconds && age >= 0 && age < GOOD_SECONDS;
}

static bool read_head(int fd, struct head *head, size_t *size) {
    char text[HEAD_LIMIT + 1];
    ssize_t got = read(fd, text, HEAD_LIMIT);
    char *newline = got > 0 ? memchr(text, '\n', (size_t)got) : NULL;
    if (newline == NULL)
        return false;
    *newline = '\0';
    *size = (size_t)(newline + 1 - text);
    return sscanf(text, "1 %64s %lld.%lld %lf %zu %lf", head->boot, &head->seconds,
                  &head->nanoseconds, &head->scanned_at, &head->count, &head->soonest) == 6;
}

/* Takes all lines into the queue. */
static bool load(struct folder_queue *queue, int fd, size_t offset, const struct head *head) {
    struct error ignored;
    unsigned long size;
    char *text = lseek(fd, (off_t)offset, SEEK_SET) >= 0
                     ? file_read_descriptor(fd, path, INDEX_LIMIT, &size, &ignored)
                     : NULL;
    size_t count = 0;
    for (char *at = text, *end; at != NULL && (end = strchr(at, '\n')) != NULL; at = end + 1) {
        char *name;
        *end = '\0';
        double due = strtod(at, &name);
        if (*name != ' ' || name[1] == '\0' || strchr(name, '/') != NULL)
            break;
        folder_queue_put(queue, folder_queue_find(queue, name + 1, true), due);
        count++;
    }
    free(text);
    queue->looked_at = clock_elapsed();
    queue->modified = (struct timespec){(time_t)head->seconds, (long)head->nanoseconds};
    queue->scanned_at = head->scanned_at;
    queue->known = text != NULL && count == head->count;
    return queue->known;
}

bool folder_index_read(struct folder_queue *queue, bool whole) {
    struct head head;
    size_t size;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    bool good = fd >= 0 && read_head(fd, &head, &size) && is_of_now(&head);
    if (good)
        queue->soonest = head.soonest;
    if (good && whole)
        good = load(queue, fd, size, &head);
    if (fd >= 0)
        close(fd);
    return good;
}

/* A line for each; *soonest is when the first is due. */
static void put_lines(struct folder_queue *queue, struct text *text, double *soonest) {
    for (size_t i = 0; i < queue->row_count; i++)
        for (struct folder_waiting *one = queue->rows[i]; one != NULL; one = one->next) {
            double due = one->turn != NULL ? one->turn->item.due : 0;
            *soonest = fmin(*soonest, due);
            char *line = must_format("%.6f %s\n", due, one->name);
            text_add_string(text, line);
            free(line);
        }
}

static void write_file(const char *head, const struct text *lines) {
    char *aside = folder_aside();
    int fd = open(aside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool good = fd >= 0 && durable_write_all(fd, head, strlen(head)) &&
                durable_write_all(fd, lines->text, lines->size) && rename(aside, path) == 0;
    if (fd >= 0)
        close(fd);
    if (!good)
        unlink(aside);
    free(aside);
}

void folder_index_write(struct folder_queue *queue) {
    struct stat before;
    struct error ignored;
    if (!queue->known)
        return; /* then it is good as it is */
    if (queue->count < FEW || *clock_boot() == '\0' || stat("queue", &before) != 0) {
        unlink(path);
        return;
    }
    double age =
        clock_now() - ((double)before.st_mtim.tv_sec + (double)before.st_mtim.tv_nsec / 1e9);
    if (age < tick)
        clock_sleep(tick);
    if (!folder_queue_look(queue, false, &ignored))
        return;
    struct text lines = {.text = NULL};
    double soonest = INFINITY;
    put_lines(queue, &lines, &soonest);
    char *head = must_format("1 %s %lld.%lld %.6f %zu %.6f\n", clock_boot(),
                             (long long)before.st_mtim.tv_sec, (long long)before.st_mtim.tv_nsec,
                             queue->scanned_at, queue->count, soonest);
    size_t newlines = 0;
    for (size_t i = 0; i < lines.size; i++)
        newlines += lines.text[i] == '\n';
    if (newlines == queue->count && strlen(head) <= HEAD_LIMIT)
        write_file(head, &lines);
    free(head);
    free(lines.text);
}
