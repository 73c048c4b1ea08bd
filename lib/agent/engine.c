#include "agent/engine.h"

#include "agent/engine_state.h"
#include "base/clock.h"
#include "system/signals.h"
#include "json/json.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

enum { BEAT_SECONDS = 1, STOP_SECONDS = 5 };
#define TAKE_SECONDS 0.01

/* The documents. */

/* Begins with a document, unless it is not for us. */
static void begin(struct engine *engine, struct held *held) {
    struct error error;
    struct work work;
    bool again = json_names(engine->returned, held->name); /* each once in a run that ends */
    if (again || !work_begin(&work, &engine->settings->rules, jv_copy(held->document), &error)) {
        if (again)
            engine->left = true;
        else
            report_error(&engine->status, held->name, &error);
        engine->store->kind->leave(engine->store, held);
        return;
    }
    struct flight *flight = must_alloc(sizeof *flight), **last = &engine->flights;
    *flight = (struct flight){.number = ++engine->last_number,
                              .name = must_copy(held->name),
                              .held = held,
                              .work = work,
                              .riding = jv_array()};
    engine_wait(flight);
    while (*last != NULL)
        last = &(*last)->next;
    *last = flight;
    engine->flight_count++;
}

/* When to take documents, if there are any: elapsed time. When most of what this process can have
 * is under way, it takes several at a time, if that is dear. */
static double take_at(const struct engine *engine) {
    size_t jobs = engine->settings->jobs, room = jobs - engine->flight_count;
    if (engine->stopping || room == 0)
        return INFINITY;
    bool waits = engine->store->kind->shares_commits && 4 * room < jobs;
    return waits ? engine->room_since + TAKE_SECONDS : 0;
}

static void take(struct engine *engine) {
    const struct store_kind *kind = engine->store->kind;
    size_t most = engine->settings->jobs - engine->flight_count;
    struct error error = {STATUS_DONE, ""};
    if (take_at(engine) > clock_elapsed() ||
        (!engine->look && kind->next_due(engine->store) > clock_now()))
        return;
    struct held **taken = must_alloc(most * sizeof *taken);
    size_t count = kind->take(engine->store, taken, most, &error);
    engine->look = count == most;
    for (size_t i = 0; i < count; i++)
        begin(engine, taken[i]);
    free(taken);
    if (error.status != STATUS_DONE) {
        bool of_one = error.status == STATUS_INPUT || error.status == STATUS_NO_FILE;
        report_error(&engine->status, NULL, &error);
        engine->look = engine->look || of_one; /* the others can be taken */
        engine->troubled = !of_one;
    }
}

/* Tries once more to put back what could not be saved. */
static void put_stuck(struct engine *engine) {
    for (struct flight *flight = engine->flights; flight != NULL; flight = flight->next) {
        if (flight->state != FLIGHT_STUCK)
            continue;
        struct work_next next = flight->after;
        flight->after.reason = NULL;
        engine_plan(engine, flight, next);
    }
}

/* Commands within a stage get the journal in their turn. */
static void tell_journals(const struct engine *engine, struct stage_process *process) {
    struct flight *flight = engine->flights;
    while (flight != NULL && flight->process != process)
        flight = flight->next;
    if (process->hello || flight == NULL || flight->asks || !stage_process_next_within(process))
        return;
    struct stage_message message = stage_message_new(STAGE_JOURNAL, flight->number);
    message.audit = engine->store->kind->has_audit;
    engine_say_place(engine, flight, &message);
    message.entries = jv_copy(flight->held->journal);
    message.descriptor = engine_lock(engine, flight, true);
    stage_process_tell(process, STAGE_WITHIN, &message);
    message.descriptor = -1; /* the store's */
    stage_message_free(&message);
}

/* The loop. */

void engine_stop(struct engine *engine) {
    if (engine->stopping)
        return;
    engine->stopping = true;
    engine->stop_at = clock_elapsed() + STOP_SECONDS;
    for (struct stage_process *process = engine->processes; process; process = process->next)
        if (process->many && process->documents > 0)
            stage_process_stop(process); /* it may be waiting for users */
}

static void keep_time(struct engine *engine) {
    struct error error;
    double now = clock_elapsed();
    for (struct flight *flight = engine->flights; flight != NULL; flight = flight->next)
        if (flight->process != NULL && flight->deadline > 0 && now >= flight->deadline &&
            !flight->late) {
            flight->late = true;
            stage_process_stop(flight->process);
        }
    if (engine->stopping && now >= engine->stop_at)
        for (struct stage_process *process = engine->processes; process; process = process->next)
            if (process->documents > 0)
                stage_process_cut_off(process, "killed, as the run ends");
    if (now < engine->next_beat || engine->lost)
        return;
    engine->next_beat = now + BEAT_SECONDS;
    engine->look = true;
    if (engine->settings->waits)
        put_stuck(engine);
    if (!engine->store->kind->beat(engine->store, &error)) {
        report_error(&engine->status, NULL, &error);
        engine->lost = true;
    }
}

/* When a process is to be looked at again. */
static double look_at(const struct engine *engine, const struct stage_process *process,
                      double now) {
    double due = stage_process_due(process), known_at = process->started_at + NATURE_SECONDS;
    bool unknown = engine->natures[process->stage] == NATURE_UNKNOWN && known_at > now;
    return unknown ? fmin(due, known_at) : due;
}

/* The milliseconds to wait for something to happen. */
static int milliseconds(const struct engine *engine) {
    double now = clock_elapsed(), until = engine->next_beat;
    for (const struct flight *flight = engine->flights; flight != NULL; flight = flight->next)
        if (flight->process != NULL && flight->deadline > 0 && !flight->late)
            until = fmin(until, flight->deadline);
        else if (flight->state == FLIGHT_WAITS && engine_patience(engine, flight) > now)
            until = fmin(until, engine_patience(engine, flight));
    for (const struct stage_process *process = engine->processes; process; process = process->next)
        until = fmin(until, look_at(engine, process, now));
    if (engine->stopping && now < engine->stop_at)
        until = fmin(until, engine->stop_at);
    if (take_at(engine) <= now && !engine->look) {
        double due = engine->store->kind->next_due(engine->store) - clock_now();
        until = fmin(until, now + fmax(due, 0.01)); /* what take left may not be free yet */
    }
    if (engine->look)
        until = fmin(until, take_at(engine));
    until = fmin(until, engine_commit_due(engine));
    return until <= now ? 0 : (int)ceil((until - now) * 1000);
}

static void listen(struct engine *engine, int signals) {
    size_t count = 2;
    for (struct stage_process *process = engine->processes; process; process = process->next)
        count += STAGE_DESCRIPTORS;
    struct pollfd *watched = must_alloc(count * sizeof *watched), *next = watched + 2;
    bool takes = engine->flight_count < engine->settings->jobs && !engine->stopping;
    watched[0] = (struct pollfd){signals, POLLIN, 0};
    watched[1] =
        (struct pollfd){takes ? engine->store->kind->descriptor(engine->store) : -1, POLLIN, 0};
    for (struct stage_process *process = engine->processes; process; process = process->next) {
        stage_process_watch(process, next);
        next += STAGE_DESCRIPTORS;
    }
    if (poll(watched, (nfds_t)count, milliseconds(engine)) < 0)
        for (size_t i = 0; i < count; i++)
            watched[i].revents = 0;
    if (signals_caught() != 0) {
        engine->interrupted = true;
        engine_stop(engine);
    }
    engine->look = engine->look || watched[1].revents != 0;
    next = watched + 2;
    for (struct stage_process *process = engine->processes; process; process = process->next) {
        stage_process_exchange(process, next);
        next += STAGE_DESCRIPTORS;
        engine_hear(engine, process);
    }
    free(watched);
}

static void reap(struct engine *engine) {
    for (struct stage_process **at = &engine->processes; *at != NULL;) {
        struct stage_process *process = *at;
        tell_journals(engine, process);
        if (process->over) {
            *at = process->next;
            stage_process_free(process);
        } else {
            at = &process->next;
        }
    }
}

static void turn(struct engine *engine, int signals) {
    listen(engine, signals);
    keep_time(engine);
    if (engine->put && !engine->lost && engine->store->kind->shares_commits)
        engine_give(engine); /* stages go on while it is committed */
    if (engine_commit_due(engine) <= clock_elapsed() && !engine->lost)
        engine_commit(engine);
    reap(engine);
}

/* Whether nothing is left to do now. */
static bool is_finished(const struct engine *engine) {
    if (engine->lost)
        return true;
    for (const struct flight *flight = engine->flights; flight != NULL; flight = flight->next)
        if (flight->state != FLIGHT_STUCK || (engine->settings->waits && !engine->stopping))
            return false;
    if (engine->stopping || engine->troubled)
        return true;
    bool looks = engine->look && engine->flight_count < engine->settings->jobs;
    return !looks &&
           (!engine->settings->waits || engine->store->kind->next_due(engine->store) == INFINITY);
}

/* Ends the stages, which have no documents any more; what could not be saved is tried once more. */
static void end(struct engine *engine, int signals) {
    engine->stopping = true;
    engine->stop_at = 0;
    if (!engine->lost)
        put_stuck(engine);
    for (struct stage_process *process = engine->processes; process; process = process->next) {
        if (engine->lost)
            stage_process_cut_off(process, "killed, as the run ends");
        else
            stage_process_retire(process);
    }
    if (engine->put)
        engine_commit(engine);
    while (engine->processes != NULL)
        turn(engine, signals);
    if (!engine->lost && engine->store->kind->next_due(engine->store) < INFINITY)
        engine->left = true;
    while (engine->flights != NULL) { /* the store has their documents until it is closed */
        struct flight *flight = engine->flights;
        engine->flights = flight->next;
        engine->left = true;
        engine_free_flight(flight);
    }
}

int engine_run(struct store *store, const struct engine_settings *settings) {
    struct error error;
    struct engine engine = {.settings = settings,
                            .store = store,
                            .returned = jv_object(),
                            .look = true,
                            .next_beat = clock_elapsed() + BEAT_SECONDS};
    int signals = signals_catch(&error);
    if (signals < 0) {
        report_error(&engine.status, NULL, &error);
        return engine.status;
    }
    engine.natures = must_alloc(settings->rules.stages * sizeof *engine.natures);
    engine.starts = must_alloc(settings->rules.stages * sizeof *engine.starts);
    for (size_t i = 0; i < settings->rules.stages; i++) {
        engine.natures[i] = NATURE_UNKNOWN;
        engine.starts[i] = 0;
    }
    for (take(&engine); !is_finished(&engine); take(&engine)) {
        engine_give(&engine);
        turn(&engine, signals);
    }
    end(&engine, signals);
    jv_free(engine.returned);
    free(engine.natures);
    free(engine.starts);
    return engine.left ? status_worse(engine.status, STATUS_NOT_YET) : engine.status;
}
