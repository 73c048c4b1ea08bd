#include "agent/engine_state.h"

#include "base/clock.h"
#include "document/decision_notice.h"
#include "json/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What a stage may have written down for a document each time it has it: so many requests, and so
 * many more for each call. */
enum { MOST_REQUESTS = 1000, MOST_REQUESTS_A_CALL = 20 };

static struct flight *flight_of(const struct engine *engine, const struct stage_process *process,
                                uint32_t number) {
    struct flight *flight = engine->flights;
    while (flight != NULL && (flight->number != number || flight->process != process))
        flight = flight->next;
    return flight;
}

/* The process has it no more. */
static void take_from(struct flight *flight) {
    flight->process->documents--;
    flight->process = NULL;
    flight->asks = false;
}

/* A commit that the document rode with was refused: it is written with the document now. */
static struct work_next put_unwritten(struct engine *engine, struct flight *flight,
                                      struct work_next next) {
    struct error why = flight->unwritten;
    flight->unwritten.status = STATUS_DONE;
    engine_put_again(engine, flight);
    if (flight->troubled || next.step == WORK_FINISH)
        return next;
    flight->troubled = true;
    report_error(&engine->status, flight->name, &why);
    free(next.reason);
    return work_put_off(&flight->work, why.status, why.text);
}

void engine_plan(struct engine *engine, struct flight *flight, struct work_next next) {
    static const enum store_place places[] = {
        [WORK_KEEP] = STORE_QUEUE, [WORK_FINISH] = STORE_DONE, [WORK_ABANDON] = STORE_FAILED};
    const struct store_kind *kind = engine->store->kind;
    if (flight->unwritten.status != STATUS_DONE)
        next = put_unwritten(engine, flight, next);
    free(flight->after.reason);
    flight->after = next;
    if (next.step == WORK_GIVE && !next.differs) {
        engine_wait(flight);
        return;
    }
    engine_put(engine);
    flight->held->text = work_text(&flight->work);
    if (next.step == WORK_GIVE && engine_passes_on(engine, flight)) {
        kind->save(engine->store, flight->held, work_document(&flight->work));
        flight->passed_on = true;
        engine_wait(flight);
    } else if (next.step == WORK_GIVE) {
        kind->save(engine->store, flight->held, work_document(&flight->work));
        flight->state = FLIGHT_SAVED;
        engine->awaited = true;
    } else {
        kind->put_back(engine->store, flight->held, work_document(&flight->work), places[next.step],
                       next.due);
        flight->state = FLIGHT_RETURNS;
    }
    flight->held->text = NULL;
}

/* Back to the queue as it is, due now: nobody is at fault. */
static struct work_next interrupted(void) {
    return (struct work_next){.step = WORK_KEEP, .status = STATUS_NOT_YET};
}

/* What the stage made of the document, with the decisions that it has now. */
static struct work_next take_end(struct engine *engine, struct flight *flight,
                                 const struct work_end *end) {
    const struct engine_settings *settings = engine->settings;
    if (settings->decided != NULL && jv_is_valid(end->document)) {
        jv notices = decision_notices(flight->work.document, end->document);
        jv_array_foreach(notices, i, notice) {
            settings->decided(settings->context, json_set_string(notice, "document", flight->name));
        }
        jv_free(notices);
    }
    return work_ended(&flight->work, end);
}

static void hear_hello(struct engine *engine, struct stage_process *process, bool many) {
    struct flight *flight = flight_of(engine, process, process->number);
    if (process->hello) {
        stage_process_cut_off(process, "killed: it told agent-spool HELLO twice");
        return;
    }
    stage_process_greet(process, many);
    engine->natures[process->stage] = many ? NATURE_MANY : NATURE_SINGLE;
    engine->starts[process->stage] = clock_elapsed() - process->started_at;
    if (flight == NULL) /* it took too long to come so far */
        return;
    for (struct stage_process *other = engine->processes; many && other != NULL;
         other = other->next) {
        if (other == process || other->stage != process->stage || !other->many || other->retired)
            continue;
        take_from(flight); /* one such process is enough */
        engine_wait(flight);
        stage_process_retire(process);
        return;
    }
    engine_hand_over(engine, flight, process);
}

static void hear_result(struct engine *engine, struct stage_process *process, struct flight *flight,
                        struct stage_message *message) {
    struct work_end end = {.program = process->name,
                           .status = message->status,
                           .late = flight->late,
                           .unchanged = message->unchanged,
                           .document = message->document,
                           .text = message->text,
                           .no_document = "it gave no document back",
                           .words = ""};
    message->document = jv_invalid();
    message->text = NULL;
    if (message->status > STATUS_NO || !process->many)
        end.words = stage_process_words(process);
    take_from(flight);
    engine_plan(engine, flight, take_end(engine, flight, &end));
    process->retired = process->retired || message->last;
    if (message->last && process->documents == 0)
        stage_process_retire(process);
}

static void put_request(struct engine *engine, struct flight *flight,
                        struct stage_message *message) {
    static const char *const uses[] = {[STAGE_USE_USED] = "used",
                                       [STAGE_USE_NOT_USED] = "not_used",
                                       [STAGE_USE_UNKNOWN] = "unknown"};
    const struct store_kind *kind = engine->store->kind;
    if (message->kind == STAGE_ENTRY) {
        flight->held->text = message->text;
        kind->entry(engine->store, flight->held, message->entry);
        flight->held->text = NULL;
        engine_add_line(flight, message->text);
        message->entry = jv_invalid();
    } else if (message->kind == STAGE_SPEND) {
        flight->spends = true;
        flight->again = false;
        kind->spend(engine->store, flight->held, message->name, message->key, message->claim,
                    &flight->spent, &flight->again);
    } else if (message->kind == STAGE_SPENT) {
        kind->spent(engine->store, flight->held, message->name, message->key, message->claim,
                    uses[message->use]);
    } else if (kind->has_audit) {
        kind->audit(engine->store, flight->held, message->entries, message->once);
        message->entries = jv_invalid();
    }
    engine_put(engine);
}

/* Whether the stage may have more written down. */
static bool has_room(struct flight *flight) {
    jv calls = json_array(flight->work.document, "calls");
    size_t count = (size_t)jv_array_length(calls);
    return ++flight->requests <= MOST_REQUESTS + MOST_REQUESTS_A_CALL * count &&
           flight->bytes <= JSON_SIZE_LIMIT;
}

static void hear_request(struct engine *engine, struct stage_process *process,
                         struct flight *flight, enum stage_speaker speaker,
                         struct stage_message *message) {
    static const struct error done = {STATUS_DONE, ""};
    flight->bytes += process->heard;
    if (!has_room(flight)) {
        stage_process_cut_off(process, "killed: it has more written down than a document needs");
        return;
    }
    flight->asks = true;
    flight->asker = process;
    flight->speaker = speaker;
    flight->turn = process->turn;
    flight->spends = false;
    if (flight->unwritten.status != STATUS_DONE) {
        engine_answer(flight, &flight->unwritten);
        return;
    }
    bool rides = engine_rides(engine, flight, speaker, message);
    put_request(engine, flight, message);
    if (rides)
        engine_answer(flight, &done);
    else
        engine->awaited = true;
}

static void hear_message(struct engine *engine, struct stage_process *process,
                         enum stage_speaker speaker, struct stage_message *message) {
    bool alone = speaker == STAGE_ITSELF && !process->hello;
    if (message->kind == STAGE_KNOCK && speaker == STAGE_ITSELF) {
        stage_process_admit(process, message->descriptor);
        message->descriptor = -1;
        return;
    }
    if (message->kind == STAGE_HELLO && speaker == STAGE_ITSELF) {
        hear_hello(engine, process, message->many);
        return;
    }
    struct flight *flight = alone ? NULL : flight_of(engine, process, message->number);
    if (flight == NULL)
        stage_process_cut_off(process,
                              "killed: it told agent-spool of a document that it does not have");
    else if (flight->asks)
        stage_process_cut_off(process, "killed: it did not wait for agent-spool's answer");
    else if (message->kind == STAGE_RESULT && speaker == STAGE_ITSELF)
        hear_result(engine, process, flight, message);
    else if (message->kind == STAGE_RESULT || message->kind == STAGE_KNOCK ||
             message->kind == STAGE_HELLO)
        stage_process_cut_off(
            process, "killed: it sent agent-spool what a command within a stage must not send");
    else
        hear_request(engine, process, flight, speaker, message);
}

/* The exit status of a stage that ended while it had a document: what one of our commands ends with
 * says nothing about the document. */
static int status_of(const struct stage_process *process) {
    bool ours = process->hello || process->problem.status != STATUS_DONE;
    return ours && process->exit_status <= STATUS_CONFIG ? STATUS_IO : process->exit_status;
}

static struct work_next end_work(struct engine *engine, struct stage_process *process,
                                 struct flight *flight) {
    struct error why = {STATUS_DONE, "it gave no document back"};
    const char *words = stage_process_words(process);
    jv document = jv_invalid();
    if (process->problem.status != STATUS_DONE) {
        words = process->problem.text;
    } else if (process->hello && !flight->late && *words == '\0') {
        words = "it ended and gave no document back";
    } else if (!process->hello) {
        const char *text = process->output.text != NULL ? process->output.text : "";
        if (json_parse(text, process->output.size, &document, &why) &&
            jv_get_kind(document) != JV_KIND_OBJECT) {
            fail(&why, STATUS_INPUT, "it wrote no document");
            jv_free(document);
            document = jv_invalid();
        }
    }
    struct work_end end = {.program = process->name,
                           .status = status_of(process),
                           .late = flight->late,
                           .document = document,
                           .no_document = why.text,
                           .words = words};
    return take_end(engine, flight, &end);
}

/* The document of a stage that could not be started. Said at once, because a retry rarely helps. */
static struct work_next put_off(struct engine *engine, struct flight *flight,
                                const struct error *error) {
    report(flight->name, "%s", error->text);
    engine->status = status_worse(engine->status, error->status);
    return work_not_started(&flight->work, error);
}

/* A process has ended: so have its documents. */
static void hear_end(struct engine *engine, struct stage_process *process) {
    if (!process->hello && process->problem.status == STATUS_DONE)
        engine->natures[process->stage] = NATURE_FOREIGN;
    for (struct flight *flight = engine->flights; flight != NULL; flight = flight->next) {
        if (flight->process != process)
            continue;
        take_from(flight);
        if (engine->lost)
            continue;
        if (process->unseen)
            engine_lock(engine, flight, true);
        bool finished = !process->hello && process->exit_status <= STATUS_NO;
        struct work_next next;
        if (process->not_started)
            next = put_off(engine, flight, &process->problem);
        else if (engine->stopping && !finished)
            next = interrupted();
        else
            next = end_work(engine, process, flight);
        engine_plan(engine, flight, next);
    }
}

void engine_hear(struct engine *engine, struct stage_process *process) {
    struct stage_message message;
    enum stage_speaker speaker;
    while (stage_process_hear(process, &message, &speaker)) {
        hear_message(engine, process, speaker, &message);
        stage_message_free(&message);
    }
    if (process->over)
        hear_end(engine, process);
}
