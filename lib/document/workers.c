#include "document/workers.h"

#include "document/reader.h"
#include "system/frame.h"
#include "system/process.h"
#include "json/json.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* A document's place from when it is read until its result is written. */
struct place {
    char *outcome; /* NULL while it is processed */
    size_t size;
    bool done;
};

struct worker {
    pid_t process;
    int to, from;
    size_t place; /* of its document, by number */
    bool busy;
};

struct crew {
    struct worker *workers;
    size_t count, busy;
    struct place *places;     /* a ring: document n is at n % room */
    size_t room, first, next; /* `first` is the oldest document held, `next` the next to be read */
    bool unordered, writable;
    int status;
};

/* The main function of a worker. */
_Noreturn static void work(document_step step, void *context, int from, int to) {
    char *text;
    size_t text_size;
    int ignored;
    while ((text = frame_read(from, &text_size, &ignored)) != NULL) {
        struct error error;
        jv document;
        int status = STATUS_DONE;
        size_t size = 0;
        char *output = NULL;
        output_keep(&output, &size);
        if (json_parse(text, text_size, &document, &error)) {
            step_do(step, context, document, NULL, false, &status);
        } else {
            report(NULL, "%s", error.text);
            status = error.status;
        }
        output_keep(NULL, NULL);
        if (!frame_write(to, output != NULL ? output : "", size, status))
            _exit(STATUS_IO);
        free(output);
        free(text);
    }
    _exit(STATUS_DONE);
}

/* A worker must not keep the other workers' ends open: their stdin would never end. */
static void close_ends_of(const struct crew *crew) {
    for (size_t i = 0; i < crew->count; i++) {
        if (crew->workers[i].process > 0) {
            close(crew->workers[i].to);
            close(crew->workers[i].from);
        }
    }
}

static bool hire(const struct crew *crew, struct worker *worker, document_step step,
                 void *context) {
    int to[2], from[2];
    if (!process_close_on_exec(pipe(to), to))
        return false;
    if (!process_close_on_exec(pipe(from), from))
        return close(to[0]), close(to[1]), false;
    worker->process = fork();
    if (worker->process == 0) {
        close_ends_of(crew);
        close(to[1]);
        close(from[0]);
        work(step, context, to[0], from[1]);
    }
    close(to[0]);
    close(from[1]);
    worker->to = to[1];
    worker->from = from[0];
    worker->busy = false;
    return worker->process > 0;
}

static void dismiss(struct worker *worker) {
    if (worker->process <= 0)
        return;
    close(worker->to);
    close(worker->from);
    while (waitpid(worker->process, NULL, 0) < 0 && errno == EINTR)
        continue;
    worker->process = 0;
}

static void put_out(struct crew *crew, struct place *place) {
    struct error error;
    if (crew->writable && place->size > 0 && !output_write(place->outcome, place->size, &error)) {
        report_error(&crew->status, "stdout", &error);
        crew->writable = false;
    }
    free(place->outcome);
    place->outcome = NULL;
    place->size = 0;
}

/* Writes finished results and frees their places. */
static void put_out_finished(struct crew *crew) {
    for (size_t i = crew->first; crew->unordered && i < crew->next; i++)
        if (crew->places[i % crew->room].done)
            put_out(crew, &crew->places[i % crew->room]);
    while (crew->first < crew->next && crew->places[crew->first % crew->room].done)
        put_out(crew, &crew->places[crew->first++ % crew->room]);
}

static bool has_room(const struct crew *crew) {
    return crew->writable && crew->busy < crew->count && crew->next - crew->first < crew->room;
}

/* Returns an idle worker; the crew has room. */
static struct worker *idle_worker(const struct crew *crew) {
    struct worker *worker = crew->workers;
    while (worker->busy)
        worker++;
    return worker;
}

/* Gives a document to an idle worker; the crew has room. Takes the document. */
static void assign(struct crew *crew, document_step step, void *context, jv document) {
    struct worker *worker = idle_worker(crew);
    char *text = json_text(document);
    jv_free(document);
    crew->places[crew->next % crew->room] = (struct place){NULL, 0, false};
    worker->place = crew->next++;
    bool there = worker->process > 0 || hire(crew, worker, step, context);
    if (there && frame_write(worker->to, text, strlen(text), 0)) {
        worker->busy = true;
        crew->busy++;
    } else {
        report_failure(&crew->status, STATUS_INTERNAL, NULL,
                       "no process for a document: %s; it is written as it was", strerror(errno));
        crew->places[worker->place % crew->room] =
            (struct place){must_format("%s\n", text), strlen(text) + 1, true};
        dismiss(worker);
    }
    free(text);
}

/* Receives a worker's result. */
static void collect(struct crew *crew, struct worker *worker) {
    size_t size;
    int status;
    struct place *place = &crew->places[worker->place % crew->room];
    char *outcome = frame_read(worker->from, &size, &status);
    worker->busy = false;
    crew->busy--;
    if (outcome != NULL) {
        *place = (struct place){outcome, size, true};
        crew->status = status_worse(crew->status, status);
    } else {
        report_failure(&crew->status, STATUS_INTERNAL, NULL,
                       "the work on document %zu ended in a crash; its outcome is lost",
                       worker->place + 1);
        place->done = true;
        dismiss(worker);
    }
}

/* Waits for a result, or for stdin if `reading`. Whether stdin is readable. */
static bool wait_for_something(struct crew *crew, bool reading) {
    struct pollfd *watched = must_alloc((crew->count + 1) * sizeof *watched);
    watched[0] = (struct pollfd){reading ? STDIN_FILENO : -1, POLLIN, 0};
    for (size_t i = 0; i < crew->count; i++)
        watched[i + 1] =
            (struct pollfd){crew->workers[i].busy ? crew->workers[i].from : -1, POLLIN, 0};
    while (poll(watched, crew->count + 1, -1) < 0 && errno == EINTR)
        continue;
    for (size_t i = 0; i < crew->count; i++)
        if (watched[i + 1].revents != 0)
            collect(crew, &crew->workers[i]);
    bool readable = watched[0].revents != 0;
    free(watched);
    return readable;
}

/* Reads and assigns documents while there is room and input. Whether more may come. */
static bool take_documents(struct crew *crew, struct document_reader *reader, document_step step,
                           void *context, bool readable) {
    struct error error;
    jv document;
    while (has_room(crew)) {
        enum document_event event = document_next(reader, &document, &error);
        if (event == DOCUMENT_END)
            return false;
        if (event == DOCUMENT_READY) {
            assign(crew, step, context, document);
            continue;
        }
        if (event == DOCUMENT_MORE && !readable)
            return true;
        readable = false;
        if (event == DOCUMENT_BAD || !document_reader_fill(reader, &error))
            report_error(&crew->status, "stdin", &error);
    }
    return true;
}

int workers_run(document_step step, void *context, const struct stream_jobs *jobs) {
    size_t count = (size_t)(jobs->count < STREAM_JOBS_LIMIT ? jobs->count : STREAM_JOBS_LIMIT);
    struct crew crew = {.count = count,
                        .room = 4 * count,
                        .unordered = jobs->unordered,
                        .writable = true,
                        .status = STATUS_DONE};
    crew.workers = must_alloc(crew.count * sizeof *crew.workers);
    crew.places = must_alloc(crew.room * sizeof *crew.places);
    struct document_reader *reader = document_reader_new(STDIN_FILENO);
    bool reading = true, readable = false;
    while ((reading && crew.writable) || crew.busy > 0) {
        if (reading)
            reading = take_documents(&crew, reader, step, context, readable);
        put_out_finished(&crew);
        if (crew.busy > 0 || (reading && has_room(&crew)))
            readable = wait_for_something(&crew, reading && has_room(&crew));
        put_out_finished(&crew);
    }
    for (size_t i = 0; i < crew.count; i++)
        dismiss(&crew.workers[i]);
    document_reader_free(reader);
    free(crew.workers);
    free(crew.places);
    return crew.status;
}
