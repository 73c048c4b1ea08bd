#include "agent/engine_state.h"

#include "base/clock.h"
#include "json/json.h"

#include <math.h>
#include <stdlib.h>

static void attach(const struct engine *engine, struct flight *flight,
                   struct stage_process *process) {
    double limit = engine->settings->stage_timeout;
    flight->process = process;
    flight->state = FLIGHT_WORKED_ON;
    flight->deadline = limit > 0 ? clock_elapsed() + limit : 0;
    flight->late = flight->asks = false;
    flight->requests = flight->bytes = 0;
    process->documents++;
}

void engine_add_line(struct flight *flight, const char *entry) {
    text_add_string(&flight->lines, entry);
    text_add(&flight->lines, "\n", 1);
}

int engine_lock(const struct engine *engine, const struct flight *flight, bool outlives) {
    const struct store_kind *kind = engine->store->kind;
    return kind->lock != NULL ? kind->lock(flight->held, outlives) : -1;
}

static const char *journal_lines(struct flight *flight) {
    if (!flight->knows_lines) {
        flight->lines.size = 0;
        text_add(&flight->lines, "", 0);
        jv_array_foreach(flight->held->journal, i, entry) {
            char *text = json_text(entry);
            engine_add_line(flight, text);
            free(text);
            jv_free(entry);
        }
    }
    flight->knows_lines = true;
    return flight->lines.text;
}

void engine_say_place(const struct engine *engine, const struct flight *flight,
                      struct stage_message *message) {
    const char *spool = engine->settings->spool;
    message->name = must_copy(flight->held->name);
    message->spool = spool != NULL ? must_copy(spool) : NULL;
}

void engine_hand_over(struct engine *engine, struct flight *flight, struct stage_process *process) {
    struct stage_message message = stage_message_new(STAGE_DOCUMENT, flight->number);
    message.audit = engine->store->kind->has_audit;
    engine_say_place(engine, flight, &message);
    message.text = must_copy(work_text(&flight->work));
    message.lines = journal_lines(flight);
    message.descriptor = engine_lock(engine, flight, false);
    stage_process_tell(process, STAGE_ITSELF, &message);
    message.descriptor = -1; /* the store's */
    stage_message_free(&message);
}

void engine_wait(struct flight *flight) {
    flight->state = FLIGHT_WAITS;
    flight->waits_since = clock_elapsed();
}

double engine_patience(const struct engine *engine, const struct flight *flight) {
    return flight->waits_since + fmax(PATIENCE_SECONDS, 3 * engine->starts[flight->work.stage]);
}

/* The processes of a stage that may get documents yet. */
struct crew {
    size_t count, starting; /* those that have not said HELLO, but may soon */
    double since;           /* when the first was started */
};

/* Whether the crew is to have one more process. One of our commands is started when a document has
 * waited for longer than a start takes, because until then those that are there may be quicker; and
 * at most as many at a time as have started already. */
static bool is_short(const struct engine *engine, const struct flight *flight,
                     const struct crew *crew) {
    double now = clock_elapsed();
    if (crew->count == 0 || crew->count >= engine->settings->jobs)
        return crew->count == 0;
    switch (engine->natures[flight->work.stage]) {
    case NATURE_FOREIGN:
        return true;
    case NATURE_UNKNOWN:
        return now - crew->since >= NATURE_SECONDS;
    case NATURE_SINGLE:
        return (double)crew->starting < fmax(1, (double)(crew->count - crew->starting)) &&
               now >= engine_patience(engine, flight);
    case NATURE_MANY:
        return false;
    }
    return false;
}

/* A process that can take the document now; NULL for none. Sets *more to whether another is to be
 * started then. */
static struct stage_process *find_process(const struct engine *engine, const struct flight *flight,
                                          bool *more) {
    struct crew crew = {.since = INFINITY};
    double now = clock_elapsed();
    for (struct stage_process *process = engine->processes; process != NULL;
         process = process->next) {
        if (process->stage != flight->work.stage || process->retired)
            continue;
        if (process->hello && (process->many || process->documents == 0))
            return process;
        crew.count++;
        crew.starting += !process->hello && now - process->started_at < NATURE_SECONDS;
        crew.since = fmin(crew.since, process->started_at);
    }
    *more = is_short(engine, flight, &crew);
    return NULL;
}

static void start(struct engine *engine, struct flight *flight) {
    struct error error;
    char *line = must_format("%s\n", work_text(&flight->work));
    struct stage_process *process = stage_process_start(
        engine->settings->helper, flight->work.stage, flight->number, line, &error);
    if (process != NULL) {
        struct stage_process **last = &engine->processes;
        while (*last != NULL)
            last = &(*last)->next;
        *last = process;
        attach(engine, flight, process);
        return;
    }
    if (error.status == STATUS_INTERNAL) /* no stage can be started any more */
        engine_stop(engine);
    if (error.status != STATUS_INTERNAL || !engine->interrupted)
        report_error(&engine->status, flight->name, &error);
    engine_plan(engine, flight,
                error.status == STATUS_INTERNAL
                    ? (struct work_next){.step = WORK_KEEP, .status = STATUS_NOT_YET}
                    : work_not_started(&flight->work, &error));
}

void engine_give(struct engine *engine) {
    for (struct flight *flight = engine->flights; flight != NULL; flight = flight->next) {
        bool more = false;
        if (flight->state != FLIGHT_WAITS)
            continue;
        if (engine->stopping) {
            engine_plan(engine, flight,
                        (struct work_next){.step = WORK_KEEP, .status = STATUS_NOT_YET});
            continue;
        }
        struct stage_process *process = find_process(engine, flight, &more);
        if (process != NULL) {
            attach(engine, flight, process);
            engine_hand_over(engine, flight, process);
        } else if (more) {
            start(engine, flight);
        }
    }
}
