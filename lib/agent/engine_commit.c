/* What is put in, and when it is committed. An intent is durable before the stage is answered, and
 * so before its effect. With a store whose commits are dear (store.h: shares_commits) an outcome is
 * answered at once, and the document goes on to its next stage: all that follows is written with it
 * or after it. It waits for others at most LINGER_SECONDS, and no longer than anything can come. */
#include "agent/engine_state.h"

#include "base/clock.h"
#include "json/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LINGER_SECONDS 0.001

void engine_free_flight(struct flight *flight) {
    free(flight->name);
    free(flight->after.reason);
    jv_free(flight->riding);
    work_free(&flight->work);
    free(flight->lines.text);
    free(flight);
}

/* After the commit in which a document was put back. */
static void tell_returned(struct engine *engine, const struct flight *flight) {
    const struct work_next *after = &flight->after;
    if (after->step == WORK_ABANDON)
        report(flight->name, "failed: %s", after->reason);
    else if (after->reason != NULL)
        report_verbose(flight->name, "%s; tried again later", after->reason);
    else
        report_verbose(flight->name, after->step == WORK_FINISH ? "done" : "waits");
    if (after->status != STATUS_NOT_YET)
        engine->status = status_worse(engine->status, after->status);
    if (after->step == WORK_KEEP && !engine->settings->waits)
        engine->returned = json_set(engine->returned, flight->name, jv_true());
}

static void stick(struct engine *engine, struct flight *flight, const struct error *error) {
    flight->state = FLIGHT_STUCK;
    if (flight->troubled)
        return;
    flight->troubled = true;
    report_error(&engine->status, flight->name, error);
    free(flight->after.reason);
    flight->after = work_put_off(&flight->work, error->status, error->text);
}

void engine_put(struct engine *engine) {
    if (!engine->put)
        engine->put_since = clock_elapsed();
    engine->put = true;
}

static bool is_one_of(const char *word, const char *const *words) {
    while (*words != NULL && (word == NULL || strcmp(word, *words) != 0))
        words++;
    return *words != NULL;
}

/* Whether all it says is what has happened, and is known already; all other requests are waited
 * for, those of later versions, too. */
static bool is_outcome(const struct stage_message *message) {
    static const char *const steps[] = {"asked", "decided", "executed", NULL};
    static const char *const events[] = {"asked",  "not_asked", "approved", "denied",     "expired",
                                         "failed", "executed",  "refused",  "unanswered", NULL};
    if (message->kind == STAGE_ENTRY)
        return is_one_of(json_string(message->entry, "step"), steps);
    bool all = message->kind == STAGE_AUDIT;
    for (int i = 0; all && i < jv_array_length(jv_copy(message->entries)); i++) {
        jv record = jv_array_get(jv_copy(message->entries), i);
        all = is_one_of(json_string(record, "event"), events);
        jv_free(record);
    }
    return all;
}

bool engine_rides(struct engine *engine, struct flight *flight, enum stage_speaker speaker,
                  const struct stage_message *message) {
    /* What a program of others does after a command within it, nobody knows. */
    if (!engine->store->kind->shares_commits || speaker != STAGE_ITSELF || !is_outcome(message))
        return false;
    jv rides = message->kind == STAGE_ENTRY
                   ? jv_copy(message->entry)
                   : json_set(jv_object(), "records", jv_copy(message->entries));
    flight->riding = jv_array_append(flight->riding, rides);
    return true;
}

bool engine_passes_on(const struct engine *engine, const struct flight *flight) {
    enum stage_nature nature = engine->natures[flight->work.stage];
    return engine->store->kind->shares_commits &&
           (nature == NATURE_SINGLE || nature == NATURE_MANY);
}

void engine_put_again(struct engine *engine, struct flight *flight) {
    const struct store_kind *kind = engine->store->kind;
    jv_array_foreach(flight->riding, i, rides) {
        jv records = json_get(rides, "records");
        if (!jv_is_valid(records)) {
            kind->entry(engine->store, flight->held, rides);
        } else {
            kind->audit(engine->store, flight->held, jv_copy(records), true);
            jv_free(rides);
        }
        jv_free(records);
    }
}

/* Whether something may still come that can be committed with what is there. */
static bool expects_more(const struct engine *engine) {
    for (const struct flight *flight = engine->flights; flight != NULL; flight = flight->next)
        if (flight->state == FLIGHT_WORKED_ON && !flight->asks)
            return true;
    return false;
}

double engine_commit_due(const struct engine *engine) {
    if (!engine->put)
        return INFINITY;
    bool lingers = engine->store->kind->shares_commits && !engine->awaited && expects_more(engine);
    return lingers ? engine->put_since + LINGER_SECONDS : 0;
}

/* What rode with the commit is written, or is not. */
static void settle(struct flight *flight, const struct error *error) {
    bool rode = jv_array_length(jv_copy(flight->riding)) > 0 || flight->passed_on;
    if (error->status == STATUS_DONE) {
        jv_free(flight->riding);
        flight->riding = jv_array();
        flight->passed_on = false;
        return;
    }
    flight->knows_lines = false;
    if (rode)
        flight->unwritten = *error;
}

/* What is durable is told, and what is not. */

void engine_answer(struct flight *flight, const struct error *error) {
    static const enum stage_answer answers[] = {[STORE_SPENT_NOW] = STAGE_ANSWER_NOW,
                                                [STORE_SPENT_BEFORE] = STAGE_ANSWER_BEFORE,
                                                [STORE_SPENT_UNKNOWN] = STAGE_ANSWER_UNKNOWN};
    bool refused = error->status != STATUS_DONE;
    struct stage_message message =
        stage_message_new(refused ? STAGE_REFUSED : STAGE_WRITTEN, flight->number);
    if (refused) {
        message.status = error->status;
        message.error = must_copy(error->text);
    } else if (flight->spends) {
        message.answer = answers[flight->spent];
        message.again = flight->again;
    }
    flight->asks = false;
    if (flight->speaker == STAGE_ITSELF || flight->turn == flight->process->turn)
        stage_process_tell(flight->process, flight->speaker, &message);
    stage_message_free(&message);
}

void engine_commit(struct engine *engine) {
    struct error error = {STATUS_DONE, ""};
    enum commit came = engine->store->kind->commit(engine->store, &error);
    engine->put = engine->awaited = false;
    if (came == COMMITTED)
        error.status = STATUS_DONE;
    if (came == COMMIT_LOST) {
        report_error(&engine->status, NULL, &error);
        engine->lost = true;
        return;
    }
    for (struct flight **at = &engine->flights; *at != NULL;) {
        struct flight *flight = *at;
        settle(flight, &error);
        if (flight->asks)
            engine_answer(flight, &error);
        if (flight->state == FLIGHT_WAITS && flight->unwritten.status != STATUS_DONE) {
            stick(engine, flight, &error);
            at = &flight->next;
        } else if (flight->state != FLIGHT_SAVED && flight->state != FLIGHT_RETURNS) {
            at = &flight->next;
        } else if (came == COMMIT_REFUSED) {
            stick(engine, flight, &error);
            at = &flight->next;
        } else if (flight->state == FLIGHT_SAVED) {
            engine_wait(flight);
            at = &flight->next;
        } else {
            tell_returned(engine, flight);
            *at = flight->next;
            if (engine->flight_count-- == engine->settings->jobs)
                engine->room_since = clock_elapsed();
            engine->look = true;
            engine_free_flight(flight);
        }
    }
}
