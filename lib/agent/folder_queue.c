/* Which documents wait in the queue, and when each is due: read once, then kept up to date by what
 * inotify says, and by a look at all of it now and then. */
#include "agent/folder.h"

#include "base/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/inotify.h>
#endif

enum { LOOK_SECONDS = 60, FIRST_ROWS = 64 };

/* A process that has given up its rights may not watch a folder. For one that will find nothing to
 * do it would be too much work: the kernel goes through all names that it knows in the folder. */
void folder_queue_open(struct folder_queue *queue) {
    *queue = (struct folder_queue){.soonest = INFINITY, .watch = -1};
    if (!folder_index_read(queue, false) || queue->soonest <= clock_now())
        folder_queue_watch(queue);
}

void folder_queue_watch(struct folder_queue *queue) {
    if (queue->is_watch_tried)
        return;
    queue->is_watch_tried = true;
#ifdef __linux__
    queue->watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (queue->watch >= 0 && inotify_add_watch(queue->watch, "queue",
                                               IN_MOVED_TO | IN_MOVED_FROM | IN_CLOSE_WRITE |
                                                   IN_ATTRIB | IN_DELETE) < 0) {
        close(queue->watch);
        queue->watch = -1;
    }
#endif
    queue->known = false; /* something may have changed unseen */
}

static void forget_all(struct folder_queue *queue) {
    for (size_t i = 0; i < queue->row_count; i++)
        for (struct folder_waiting *one = queue->rows[i], *next; one != NULL; one = next) {
            next = one->next;
            free(one);
        }
    for (size_t i = 0; i < queue->turns.count; i++)
        free(queue->turns.items[i]);
    free(queue->rows);
    free(queue->turns.items);
}

void folder_queue_close(struct folder_queue *queue) {
    forget_all(queue);
    if (queue->watch >= 0)
        close(queue->watch);
}

static size_t row_of(const struct folder_queue *queue, const char *name) {
    unsigned long hash = 2166136261;
    for (; *name != '\0'; name++)
        hash = ((hash ^ (unsigned char)*name) * 16777619) & 0xffffffff;
    return hash % queue->row_count;
}

static void grow(struct folder_queue *queue) {
    struct folder_queue old = *queue;
    queue->row_count = old.row_count > 0 ? 4 * old.row_count : FIRST_ROWS;
    queue->rows = must_alloc(queue->row_count * sizeof *queue->rows);
    for (size_t i = 0; i < queue->row_count; i++)
        queue->rows[i] = NULL;
    for (size_t i = 0; i < old.row_count; i++)
        for (struct folder_waiting *one = old.rows[i], *next; one != NULL; one = next) {
            size_t row = row_of(queue, one->name);
            next = one->next;
            one->next = queue->rows[row];
            queue->rows[row] = one;
        }
    free(old.rows);
}

struct folder_waiting *folder_queue_find(struct folder_queue *queue, const char *name, bool make) {
    if (queue->count >= queue->row_count)
        grow(queue);
    size_t row = row_of(queue, name), size = strlen(name) + 1;
    struct folder_waiting *one = queue->rows[row];
    while (one != NULL && strcmp(one->name, name) != 0)
        one = one->next;
    if (one != NULL || !make)
        return one;
    one = must_alloc(sizeof *one + size);
    *one = (struct folder_waiting){.next = queue->rows[row], .look = queue->look};
    memcpy(one->name, name, size);
    queue->rows[row] = one;
    queue->count++;
    return one;
}

static double seconds_of(struct timespec time) {
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void end_turn(struct folder_waiting *waiting) {
    if (waiting->turn != NULL)
        waiting->turn->of = NULL;
    waiting->turn = NULL;
}

void folder_queue_put(struct folder_queue *queue, struct folder_waiting *waiting, double due) {
    waiting->held = waiting->left = false;
    if (waiting->turn != NULL && waiting->turn->item.due == due)
        return;
    end_turn(waiting);
    waiting->turn = must_alloc(sizeof *waiting->turn);
    *waiting->turn = (struct folder_turn){{due}, waiting};
    heap_push(&queue->turns, &waiting->turn->item);
}

void folder_queue_leave(struct folder_waiting *waiting, const struct stat *facts) {
    end_turn(waiting);
    waiting->held = false;
    waiting->left = true;
    waiting->saved = seconds_of(facts->st_ctim);
}

void folder_queue_drop(struct folder_queue *queue, struct folder_waiting *waiting) {
    struct folder_waiting **at = &queue->rows[row_of(queue, waiting->name)];
    while (*at != waiting)
        at = &(*at)->next;
    *at = waiting->next;
    end_turn(waiting);
    queue->count--;
    free(waiting);
}

/* Looks at one file. One saved in the future means that the time of day was set back: how long it
 * has waited is unknown, so it is due. */
static void look_at(struct folder_queue *queue, int folder, const char *name, const char *path) {
    struct stat facts;
    bool there = *name != '.' && fstatat(folder, path, &facts, AT_SYMLINK_NOFOLLOW) == 0 &&
                 S_ISREG(facts.st_mode);
    struct folder_waiting *one = folder_queue_find(queue, name, there);
    if (one == NULL)
        return;
    one->look = queue->look;
    if (one->held)
        return;
    if (!there) {
        folder_queue_drop(queue, one);
        return;
    }
    double saved = seconds_of(facts.st_ctim);
    if (!one->left || one->saved != saved)
        folder_queue_put(queue, one, clock_went_back(saved) ? 0 : seconds_of(facts.st_mtim));
}

static void drop_unseen(struct folder_queue *queue) {
    for (size_t i = 0; i < queue->row_count; i++)
        for (struct folder_waiting *one = queue->rows[i], *next; one != NULL; one = next) {
            next = one->next;
            if (one->look != queue->look && !one->held)
                folder_queue_drop(queue, one);
        }
}

static bool look_at_all(struct folder_queue *queue, struct error *error) {
    struct stat facts;
    DIR *listing = opendir("queue");
    if (listing == NULL || fstat(dirfd(listing), &facts) != 0) {
        fail(error, STATUS_IO, "the folder queue of the spool: %s", strerror(errno));
        if (listing != NULL)
            closedir(listing);
        return false;
    }
    queue->modified = facts.st_mtim;
    queue->scanned_at = clock_now();
    queue->looked_at = clock_elapsed();
    queue->look++;
    for (struct dirent *entry; (entry = readdir(listing)) != NULL;)
        if (entry->d_name[0] != '.')
            look_at(queue, dirfd(listing), entry->d_name, entry->d_name);
    closedir(listing);
    drop_unseen(queue);
    queue->known = true;
    return true;
}

#ifdef __linux__
/* Looks at what has changed. False if that is unknown. */
static bool read_events(struct folder_queue *queue, bool *any) {
    _Alignas(struct inotify_event) char bytes[16384];
    bool good = true;
    ssize_t size;
    while (queue->watch >= 0 && (size = read(queue->watch, bytes, sizeof bytes)) > 0)
        for (char *at = bytes; at < bytes + size;) {
            const struct inotify_event *event = (const struct inotify_event *)(const void *)at;
            at += sizeof *event + event->len;
            *any = true;
            good = good && (event->mask & IN_Q_OVERFLOW) == 0;
            if (event->len == 0 || event->name[0] == '.' || !queue->known)
                continue;
            char *path = folder_path("queue", event->name);
            look_at(queue, AT_FDCWD, event->name, path);
            free(path);
        }
    return good;
}
#else
static bool read_events(struct folder_queue *queue, bool *any) {
    (void)queue, (void)any;
    return true;
}
#endif

static bool is_changed(const struct folder_queue *queue) {
    struct stat facts;
    return stat("queue", &facts) != 0 || facts.st_mtim.tv_sec != queue->modified.tv_sec ||
           facts.st_mtim.tv_nsec != queue->modified.tv_nsec;
}

bool folder_queue_look(struct folder_queue *queue, bool whole, struct error *error) {
    bool any = false, good = read_events(queue, &any);
    if (!queue->known && !any && !whole && folder_index_read(queue, false) &&
        (queue->soonest > clock_now() || folder_index_read(queue, true)))
        return true;
    if (queue->known && good && !whole && clock_elapsed() - queue->looked_at < LOOK_SECONDS &&
        (queue->watch >= 0 || !is_changed(queue)))
        return true;
    return look_at_all(queue, error);
}

/* Removes turns that no longer count. */
static struct folder_turn *first_turn(struct folder_queue *queue) {
    while (queue->turns.count > 0) {
        struct folder_turn *first = (struct folder_turn *)queue->turns.items[0];
        if (first->of != NULL)
            return first;
        free(heap_pop(&queue->turns));
    }
    return NULL;
}

struct folder_waiting *folder_queue_next(struct folder_queue *queue) {
    struct folder_turn *first = first_turn(queue);
    if (first == NULL || first->item.due > clock_now())
        return NULL;
    struct folder_waiting *waiting = first->of;
    free(heap_pop(&queue->turns));
    waiting->turn = NULL;
    waiting->held = true;
    return waiting;
}

double folder_queue_due(struct folder_queue *queue) {
    struct folder_turn *first = first_turn(queue);
    return !queue->known ? queue->soonest : first != NULL ? first->item.due : INFINITY;
}
