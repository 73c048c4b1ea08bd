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

int engine_lock(const struct engine *engine, const struct flight *flight, bool outlives) {
    const struct store_kind *kind = engine->store->kind;
    return kind->lock != NULL ? kind->lock(flight->held, outlives) : -1;
}

void engine_hand_over(struct engine *engine, struct flight *flight, struct stage_process *process) {
    struct stage_message message = stage_message_new(STAGE_DOCUMENT, flight->number);
    message.audit = engine->store->kind->has_audit;
    message.document = jv_copy(flight->work.document);
    message.entries = jv_copy(flight->held->journal);
    message.descriptor = engine_lock(engine, flight, false);
    stage_process_tell(process, STAGE_ITSELF, &message);
    message.descriptor = -1; /* the store's */
    stage_message_free(&message);
}

/* A process that can take a document now; NULL for none. Sets *more to whether another is to be
 * started then. */
static struct stage_process *find_process(const struct engine *engine, size_t stage, bool *more) {
    enum stage_nature nature = engine->natures[stage];
    double since = INFINITY;
    size_t count = 0;
    for (struct stage_process *process = engine->processes; process != NULL;
         process = process->next) {
        if (process->stage != stage || process->retired)
            continue;
        if (process->hello && (process->many || process->documents == 0))
            return process;
        count++;
        since = fmin(since, process->started_at);
    }
    bool known = nature == NATURE_FOREIGN || nature == NATURE_SINGLE ||
                 (nature == NATURE_UNKNOWN && clock_elapsed() - since >= NATURE_SECONDS);
    *more = count < engine->settings->jobs && (count == 0 || known);
    return NULL;
}

static void start(struct engine *engine, struct flight *flight) {
    struct error error;
    char *text = json_text(flight->work.document), *line = must_format("%s\n", text);
    struct stage_process *process = stage_process_start(
        engine->settings->helper, flight->work.stage, flight->number, line, &error);
    free(text);
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
        struct stage_process *process = find_process(engine, flight->work.stage, &more);
        if (process != NULL) {
            attach(engine, flight, process);
            engine_hand_over(engine, flight, process);
        } else if (more) {
            start(engine, flight);
        }
    }
}
