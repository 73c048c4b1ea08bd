#include "agent/stages.h"

#include "base/backoff.h"
#include "base/clock.h"
#include "ciba/interval.h"
#include "ciba/pending_request.h"
#include "document/call.h"
#include "json/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The prefix of a stage's variables. */
#define STAGES_VARIABLES "CIBA_JOURNAL"

enum { ROUNDS_LIMIT = 100, KILLED = 126 };

bool stages_parse(struct stages *stages, char **words) {
    size_t count = 0;
    while (words[count] != NULL)
        count++;
    stages->programs = must_alloc((count + 1) * sizeof *stages->programs);
    bool good = count > 0;
    for (char **word = words, **first = words; good && word <= words + count; word++) {
        if (*word != NULL && strcmp(*word, "|") != 0)
            continue;
        good = word > first;
        stages->programs[stages->count++] = (struct program){.argv = first,
                                                             .prefix = STAGES_VARIABLES,
                                                             .is_stage = true,
                                                             .output_limit = JSON_SIZE_LIMIT};
        *word = NULL;
        first = word + 1;
    }
    return good;
}

bool stages_can_start(const struct stages *stages, struct error *error) {
    bool good = true;
    for (size_t i = 0; good && i < stages->count; i++) {
        struct program_file file;
        const char *name = stages->programs[i].argv[0];
        process_find(name, &file);
        good = file.path != NULL ||
               fail(error, STATUS_UNAVAILABLE, "%s: %s", name, process_problem(file.problem));
        process_free_file(&file);
    }
    return good;
}

void stages_free(struct stages *stages) {
    free(stages->programs);
}

/* One document being processed. */
struct work {
    const struct stages *stages;
    const struct agent_spool *spool;
    const char *name;
    jv document; /* without its member `spool` */
    jv own;      /* that member: the spool's own data */
    double due;
};

static jv whole_document(const struct work *work) {
    return json_set(jv_copy(work->document), "spool", jv_copy(work->own));
}

static bool save(struct work *work, struct error *error) {
    jv document = whole_document(work);
    bool good = agent_spool_save(work->name, document, work->due, error);
    jv_free(document);
    return good;
}

/* Clears the last failure. */
static void forget_last_trouble(struct work *work) {
    static const char *const members[] = {"tries", "failing_since", "reason", "status", "stage"};
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        work->own = json_delete(work->own, members[i]);
}

/* Clears the failures of a stage, counted from 0. */
static void forget_trouble(struct work *work, size_t stage) {
    double number = 0;
    char *key = must_format("%zu", stage);
    jv troubles = json_delete(json_get(work->own, "troubles"), key);
    bool none = jv_get_kind(troubles) != JV_KIND_OBJECT || jv_object_length(jv_copy(troubles)) == 0;
    if (none || !json_number(work->own, "stage", &number) || number == (double)stage)
        forget_last_trouble(work);
    work->own = none ? json_delete(work->own, "troubles")
                     : json_set(work->own, "troubles", jv_copy(troubles));
    jv_free(troubles);
    free(key);
}

static int finish(struct work *work, const char *folder, int status) {
    struct error error;
    jv document = whole_document(work);
    bool good = agent_spool_finish(work->name, document, folder, &error);
    jv_free(document);
    if (good)
        return status;
    if (error.status == STATUS_NOT_YET) { /* a command started for it is still running */
        work->due = clock_now() + 1;
        return STATUS_NOT_YET;
    }
    report(work->name, "%s", error.text);
    return status_worse(status, error.status);
}

static int fail_document(struct work *work, int status, const char *reason) {
    forget_last_trouble(work);
    work->own = json_delete(work->own, "troubles");
    work->own = json_set_string(work->own, "reason", reason);
    work->own = json_set(work->own, "status", jv_number(status));
    status = finish(work, "failed", status);
    if (status != STATUS_NOT_YET)
        report(work->name, "failed: %s", reason);
    return status;
}

/* For how many seconds the stage has been failing: by elapsed time if the machine has not rebooted,
 * else by the planned waits. The time of day may have been set. */
static double failing_for(jv trouble) {
    double seconds = 0, at = 0, wait = 0;
    json_number(trouble, "seconds", &seconds);
    json_number(trouble, "at", &at);
    json_number(trouble, "wait", &wait);
    bool same_boot = *clock_boot() != '\0' && json_is(trouble, "boot", clock_boot());
    return seconds + (same_boot ? fmax(clock_elapsed() - at, 0) : wait);
}

/* Records a failure of a stage, which is due again after `wait` seconds. */
static void note_trouble(struct work *work, size_t stage, double tries, double seconds,
                         double wait) {
    char *key = must_format("%zu", stage);
    jv trouble = json_set(jv_object(), "tries", jv_number(tries));
    trouble = json_set(trouble, "seconds", jv_number(seconds));
    trouble = json_set(trouble, "wait", jv_number(wait));
    trouble = json_set(trouble, "at", jv_number(clock_elapsed()));
    trouble = json_set_string(trouble, "boot", clock_boot());
    jv troubles = json_get(work->own, "troubles");
    if (jv_get_kind(troubles) != JV_KIND_OBJECT) {
        jv_free(troubles);
        troubles = jv_object();
    }
    work->own = json_set(work->own, "troubles", json_set(troubles, key, trouble));
    work->own = json_set(work->own, "stage", jv_number((double)stage));
    work->own = json_set(work->own, "tries", jv_number(tries));
    free(key);
}

static jv trouble_of(const struct work *work, size_t stage) {
    char *key = must_format("%zu", stage);
    jv troubles = json_get(work->own, "troubles"), trouble = json_get(troubles, key);
    jv_free(troubles);
    free(key);
    return trouble;
}

/* Delays the document after a failure that may pass. */
static int put_off(struct work *work, size_t stage, int status, const char *reason) {
    struct error error;
    double tries = 0;
    jv trouble = trouble_of(work, stage);
    json_number(trouble, "tries", &tries);
    double seconds = jv_is_valid(trouble) ? failing_for(trouble) : 0;
    jv_free(trouble);
    if (seconds > work->stages->give_up) {
        char *words = must_format("given up: %s", reason);
        status = fail_document(work, status, words);
        free(words);
        return status;
    }
    report_verbose(work->name, "%s; tried again later", reason);
    struct backoff backoff = {.base = work->stages->backoff, .cap = 3600};
    double wait = backoff_wait(&backoff, tries);
    work->due = clock_now() + wait;
    note_trouble(work, stage, tries + 1, seconds, wait);
    work->own = json_set_string(work->own, "reason", reason);
    work->own = json_set(work->own, "status", jv_number(status));
    if (!save(work, &error)) {
        report(work->name, "%s", error.text);
        return error.status;
    }
    return STATUS_NOT_YET;
}

/* Whether the failure of a stage is to be retried: the cause is a server, a setting, this machine
 * or a kill, not the document. */
static bool is_passing(int status) {
    static const int passing[] = {STATUS_USAGE, STATUS_NO_FILE, STATUS_UNAVAILABLE, STATUS_INTERNAL,
                                  STATUS_IO,    STATUS_NOT_YET, STATUS_REFUSED,     STATUS_CONFIG};
    for (size_t i = 0; i < sizeof passing / sizeof *passing; i++)
        if (passing[i] == status)
            return true;
    return status >= KILLED;
}

/* When a call is to be polled: at next_poll_at, or now if that is implausible: it is not sealed,
 * and the time of day may have been set back since. */
static double next_poll(jv call, jv authorization, double next_poll_at) {
    double now = clock_now(), asked_at = now, expires_at = INFINITY;
    json_number(authorization, "requested_at", &asked_at);
    json_number(authorization, "expires_at", &expires_at);
    double latest = clock_went_back(asked_at) ? 0 : fmin(expires_at, now + LONGEST_INTERVAL);
    latest = fmax(latest, now + fmax(ciba_interval(call), LONGEST_WAIT));
    return next_poll_at <= latest ? next_poll_at : now;
}

/* When a document that waits for its user is due: the earliest next_poll_at or ask_again_at of its
 * calls; 0 if it does not wait. */
static double waits_until(jv document) {
    double soonest = INFINITY;
    jv calls = json_array(document, "calls");
    jv_array_foreach(calls, i, call) {
        jv authorization = json_get(call, "authorization");
        enum call_state state = call_state(call);
        double time = INFINITY, asked_at = 0;
        if (state == CALL_PENDING && json_number(authorization, "next_poll_at", &time))
            time = next_poll(call, authorization, time);
        else if (state == CALL_NEW && json_number(authorization, "ask_again_at", &time) &&
                 json_number(authorization, "requested_at", &asked_at))
            time = clock_went_back(asked_at) ? 0 : time; /* which ciba-authorize corrects */
        soonest = fmin(soonest, time);
        jv_free(call);
        jv_free(authorization);
    }
    jv_free(calls);
    return soonest < INFINITY ? soonest : 0;
}

/* A call without a result, NULL if there is none; the caller frees. */
static char *open_call(jv document) {
    char *found = NULL;
    jv calls = json_array(document, "calls");
    jv_array_foreach(calls, i, call) {
        const char *name = json_string(call, "name");
        if (found == NULL && jv_get_kind(call) == JV_KIND_OBJECT && call_state(call) != CALL_DONE)
            found = must_format("%s (%s)", call_id(call), name != NULL ? name : "no tool");
        jv_free(call);
    }
    jv_free(calls);
    return found;
}

/* Reads the document that a stage wrote; invalid, with *reason set, if it is not exactly one
 * document. */
static jv read_outcome(const struct process_end *end, struct error *error) {
    jv document;
    if (end->too_large) {
        fail(error, STATUS_INPUT, "it wrote more than a document can have");
        return jv_invalid();
    }
    if (!json_parse(end->output, end->output_size, &document, error))
        return jv_invalid();
    if (jv_get_kind(document) == JV_KIND_OBJECT)
        return json_delete(document, "spool");
    fail(error, STATUS_INPUT, "it wrote no document");
    jv_free(document);
    return jv_invalid();
}

/* How a started stage ended. Returns its exit status. */
static int read_end(struct process_end *end, const char *name, jv *outcome, char **reason) {
    struct error error = {STATUS_DONE, ""};
    int status = end->broken ? STATUS_IO : end->exit_status;
    if (!end->broken)
        *outcome = read_outcome(end, &error);
    if (status <= STATUS_NO && !jv_is_valid(*outcome)) {
        *reason = must_format("%s: %s", name, error.text);
        status = STATUS_INPUT;
    } else {
        *reason = must_format("%s: %sexit status %d%s%s", name,
                              end->late ? "took longer than --max-stage-time: " : "", status,
                              end->last_words[0] != '\0' ? ": " : "", end->last_words);
    }
    free(end->output);
    return status;
}

/* Runs one stage. *outcome is what it wrote, invalid if that is no document. *reason, which the
 * caller frees, describes how it ended. Returns its exit status. False and an error if it could not
 * be started. */
static bool run_stage(struct work *work, size_t stage, jv *outcome, char **reason, int *status,
                      struct error *error) {
    struct process_end end;
    char *generation = agent_spool_fence(work->name, error);
    if (generation == NULL)
        return false;
    char *input = json_text(work->document), *line = must_format("%s\n", input);
    char *path = agent_spool_journal(work->spool, work->name);
    char *variables[] = {must_format("CIBA_JOURNAL=%s", path),
                         must_format("CIBA_JOURNAL_GENERATION=%s:%s", generation, path), NULL};
    struct program_run run = {.input = line, .input_size = strlen(line), .variables = variables};
    *outcome = jv_invalid();
    bool started = program_helper_run(work->stages->helper, stage, &run, &end, error);
    if (started)
        *status = read_end(&end, work->stages->programs[stage].argv[0], outcome, reason);
    free(generation);
    free(input);
    free(line);
    free(path);
    free(variables[0]);
    free(variables[1]);
    return started;
}

/* Whether the stage's exit status is the final state of a call: there will be no decision on it,
 * and nothing is left to ask, wait for or, if that call has its result already, execute. Then the
 * document continues, so that the model learns of it. Sets *explained if the status is that of a
 * call at all. */
static bool is_settled(jv document, int came, bool *explained) {
    bool failed = false, refused = false, open = false, approved = false;
    jv calls = json_array(document, "calls");
    jv_array_foreach(calls, i, call) {
        enum call_state state = call_state(call);
        jv before = json_delete(jv_copy(call), "result");
        bool explains = call_state(before) == CALL_FAILED && call_exit_status(before) == came;
        failed = failed || (explains && state == CALL_FAILED);
        refused = refused || (explains && state == CALL_DONE);
        open = open || state == CALL_NEW || state == CALL_PENDING;
        approved = approved || state == CALL_APPROVED;
        jv_free(before);
        jv_free(call);
    }
    jv_free(calls);
    *explained = failed || refused;
    return !open && (failed || (refused && !approved));
}

enum course { GOES_ON, ENDS_HERE };

/* A stage could not be started. Reports it at once, because a retry rarely helps. Returns the
 * status. */
static int tell_not_started(struct work *work, size_t stage, const struct error *error) {
    if (error->status == STATUS_NOT_YET) { /* what a killed run left is still running */
        work->due = clock_now() + 1;
        return STATUS_NOT_YET;
    }
    report(work->name, "%s", error->text);
    if (error->status == STATUS_INTERNAL)
        exit(STATUS_INTERNAL); /* no stage can be run any more; the document is on the disk */
    int status = error->status == STATUS_IO ? STATUS_NOT_YET
                                            : put_off(work, stage, error->status, error->text);
    return status == STATUS_NOT_YET ? error->status : status;
}

/* Runs one stage and saves its result. ENDS_HERE if nothing more is to be done now; then sets
 * *status. */
static enum course take_stage(struct work *work, size_t stage, bool *changed, int *status) {
    struct error error;
    jv outcome;
    char *reason;
    int came;
    if (!run_stage(work, stage, &outcome, &reason, &came, &error)) {
        *status = tell_not_started(work, stage, &error);
        return ENDS_HERE;
    }
    bool differs = jv_is_valid(outcome) && !json_equal(outcome, work->document);
    if (differs) {
        jv_free(work->document);
        work->document = jv_copy(outcome);
        *changed = true;
    }
    jv_free(outcome);
    work->due = waits_until(work->document);
    bool explained;
    if (is_settled(work->document, came, &explained))
        came = STATUS_DONE;
    if (came == STATUS_DONE || came == STATUS_NO || (came == STATUS_NOT_YET && work->due > 0))
        forget_trouble(work, stage);
    bool waits = work->due > clock_now();
    enum course course = GOES_ON;
    if ((differs || waits) && !save(work, &error)) {
        report(work->name, "%s", error.text);
        *status = error.status;
        course = ENDS_HERE;
    } else if (waits) {
        *status = STATUS_NOT_YET;
        course = ENDS_HERE;
    } else if (came != STATUS_DONE && came != STATUS_NO) {
        *status = is_passing(came) || explained ? put_off(work, stage, came, reason)
                                                : fail_document(work, came, reason);
        course = ENDS_HERE;
    }
    free(reason);
    return course;
}

/* Runs all stages, repeatedly while a call is open and they change it. */
static int go(struct work *work) {
    int status = STATUS_DONE;
    for (int round = 0; round < ROUNDS_LIMIT; round++) {
        bool changed = false;
        for (size_t i = 0; i < work->stages->count; i++)
            if (take_stage(work, i, &changed, &status) == ENDS_HERE)
                return status;
        char *call = open_call(work->document);
        if (call == NULL)
            return finish(work, "done", STATUS_DONE);
        char *reason = changed ? NULL : must_format("no stage works on the call %s", call);
        free(call);
        if (reason != NULL) {
            status = fail_document(work, STATUS_INPUT, reason);
            free(reason);
            return status;
        }
    }
    return fail_document(work, STATUS_INPUT, "it does not come to an end");
}

static int advance_claimed(const struct stages *stages, const struct agent_spool *spool,
                           const char *name, double *due) {
    struct error error;
    struct work work = {.stages = stages, .spool = spool, .name = name};
    if (!agent_spool_read("queue", name, &work.document, &error)) {
        report(NULL, "%s", error.text);
        if (error.status != STATUS_INPUT)
            return error.status;
        if (!agent_spool_move(name, "failed", &error))
            report(name, "%s", error.text);
        return STATUS_INPUT;
    }
    if (json_has(work.document, "mcp")) { /* it stays, for mcp-gate */
        report(name, "is a task of mcp-gate, which alone works on it");
        jv_free(work.document);
        return STATUS_INPUT;
    }
    if (!document_is_known(work.document, &error)) { /* it stays, for the version that wrote it */
        report(name, "%s", error.text);
        jv_free(work.document);
        return error.status;
    }
    work.own = json_get(work.document, "spool");
    if (jv_get_kind(work.own) != JV_KIND_OBJECT) {
        jv_free(work.own);
        work.own = jv_object();
    }
    work.document = json_delete(work.document, "spool");
    int status = go(&work);
    *due = work.due;
    jv_free(work.document);
    jv_free(work.own);
    return status;
}

int stages_advance(const struct stages *stages, const struct agent_spool *spool, const char *name,
                   double *due) {
    struct error error;
    int claim = agent_spool_claim(name, &error);
    if (claim < 0) {
        *due = error.status == STATUS_NOT_YET ? clock_now() + 1 : 0;
        if (error.status != STATUS_NOT_YET)
            report(NULL, "%s", error.text);
        return error.status;
    }
    int status = advance_claimed(stages, spool, name, due);
    agent_spool_release(name, claim);
    return status;
}
