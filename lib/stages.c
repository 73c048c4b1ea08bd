#include "stages.h"

#include "call.h"
#include "ciba.h"
#include "clock.h"
#include "json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The variable of a stage, with its `=`. */
#define STAGES_VARIABLE "CIBA_JOURNAL="

enum { LONGEST_BACKOFF = 3600, ROUNDS_LIMIT = 100, KILLED = 126 };

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
                                                             .prefix = STAGES_VARIABLE,
                                                             .is_stage = true,
                                                             .output_limit = JSON_SIZE_LIMIT};
        *word = NULL;
        first = word + 1;
    }
    return good;
}

void stages_free(struct stages *stages) {
    free(stages->programs);
}

/* One document on its way. */
struct work {
    const struct stages *stages;
    const struct agent_spool *spool;
    const char *name;
    jv document; /* without its member `spool` */
    jv own;      /* that member: what the spool itself knows */
    double due;
};

static jv whole_document(const struct work *work) {
    return json_set(jv_copy(work->document), "spool", jv_copy(work->own));
}

static bool save(struct work *work, struct error *error) {
    jv document = whole_document(work);
    bool good = agent_spool_save(work->spool, work->name, document, work->due, error);
    jv_free(document);
    return good;
}

/* What the spool knows of things that went wrong. */
static void forget_trouble(struct work *work) {
    static const char *const members[] = {"tries", "failing_since", "reason", "status", "stage"};
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        work->own = json_delete(work->own, members[i]);
}

static int finish(struct work *work, const char *folder, int status) {
    struct error error;
    jv document = whole_document(work);
    if (!agent_spool_finish(work->spool, work->name, document, folder, &error)) {
        complain(work->name, "%s", error.text);
        status = status_worse(status, error.status);
    }
    jv_free(document);
    return status;
}

static int fail_document(struct work *work, int status, const char *reason) {
    complain(work->name, "failed: %s", reason);
    forget_trouble(work);
    work->own = json_set_string(work->own, "reason", reason);
    work->own = json_set(work->own, "status", jv_number(status));
    return finish(work, "failed", status);
}

/* Whether it is this stage, counted from 0, that went wrong the last time. */
static bool is_in_trouble(const struct work *work, size_t stage) {
    double number = 0;
    return !json_number(work->own, "stage", &number) || number == (double)stage;
}

/* Puts it off after something went wrong in a stage that may go right another time. */
static int put_off(struct work *work, size_t stage, int status, const char *reason) {
    struct error error;
    if (!is_in_trouble(work, stage))
        forget_trouble(work);
    double tries = 0, since = clock_now();
    json_number(work->own, "tries", &tries);
    json_number(work->own, "failing_since", &since);
    if (clock_now() - since > work->stages->give_up) {
        char *words = must_format("given up: %s", reason);
        status = fail_document(work, status, words);
        free(words);
        return status;
    }
    remark(work->name, "%s; tried again later", reason);
    work->due = clock_now() + fmin(work->stages->backoff * exp2(fmin(tries, 20)),
                                   fmax(work->stages->backoff, LONGEST_BACKOFF));
    work->own = json_set(work->own, "stage", jv_number((double)stage));
    work->own = json_set(work->own, "tries", jv_number(tries + 1));
    work->own = json_set(work->own, "failing_since", jv_number(since));
    work->own = json_set_string(work->own, "reason", reason);
    work->own = json_set(work->own, "status", jv_number(status));
    if (!save(work, &error)) {
        complain(work->name, "%s", error.text);
        return error.status;
    }
    return STATUS_NOT_YET;
}

/* Whether what a stage ended with is to be tried again: it lies with a server, a setting, this
 * machine, or somebody has killed it, and not with the document. */
static bool is_passing(int status) {
    static const int passing[] = {STATUS_USAGE, STATUS_NO_FILE, STATUS_UNAVAILABLE, STATUS_INTERNAL,
                                  STATUS_IO,    STATUS_NOT_YET, STATUS_REFUSED,     STATUS_CONFIG};
    for (size_t i = 0; i < sizeof passing / sizeof *passing; i++)
        if (passing[i] == status)
            return true;
    return status >= KILLED;
}

/* When a document that waits for its user is due: the soonest next_poll_at or ask_again_at of its
 * calls; 0 if it does not wait. */
static double waits_until(jv document) {
    double soonest = INFINITY;
    jv calls = json_array(document, "calls");
    jv_array_foreach(calls, i, call) {
        jv authorization = json_get(call, "authorization");
        enum call_state state = call_state(call);
        double time = INFINITY;
        if (state == CALL_PENDING && json_number(authorization, "next_poll_at", &time))
            time = fmin(time, clock_now() + LONGEST_INTERVAL); /* it is not sealed */
        else if (state == CALL_NEW)
            json_number(authorization, "ask_again_at", &time);
        soonest = fmin(soonest, time);
        jv_free(call);
        jv_free(authorization);
    }
    jv_free(calls);
    return soonest < INFINITY ? soonest : 0;
}

/* A call that still has no result, NULL if there is none; the caller frees. */
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

/* What a stage has made of the document; invalid, with *reason set, if that is not one document. */
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

/* Runs one stage. *outcome is what it wrote, invalid if that is no document; *reason, which the
 * caller frees, tells how it ended. Its exit status. */
static int run_stage(struct work *work, size_t stage, jv *outcome, char **reason) {
    struct process_end end;
    struct error error = {STATUS_DONE, ""};
    const char *name = work->stages->programs[stage].argv[0];
    char *input = json_text(work->document), *line = must_format("%s\n", input);
    char *path = agent_spool_journal(work->spool, work->name);
    char *journal = must_format("%s%s", STAGES_VARIABLE, path), *variables[] = {journal, NULL};
    struct program_run run = {.input = line, .input_size = strlen(line), .variables = variables};
    int status = STATUS_UNAVAILABLE;
    *outcome = jv_invalid();
    if (runner_run(work->stages->runner, stage, &run, &end, &error)) {
        if (!end.broken)
            *outcome = read_outcome(&end, &error);
        status = end.broken ? STATUS_IO : end.exit_status;
        *reason = must_format("%s: exit status %d%s%s", name, status,
                              end.last_words[0] != '\0' ? ": " : "", end.last_words);
        free(end.output);
    } else if (error.status == STATUS_INTERNAL) {
        complain(NULL, "%s", error.text);
        exit(STATUS_INTERNAL); /* no stage can be run any more; the document is on the disk */
    } else {
        *reason = must_copy(error.text);
    }
    if (status <= STATUS_NO && !jv_is_valid(*outcome)) {
        free(*reason);
        *reason = must_format("%s: %s", name, error.text);
        status = STATUS_INPUT;
    }
    free(input);
    free(line);
    free(path);
    free(journal);
    return status;
}

/* Whether what a stage ended with is what has come of a call for good: no decision can be had on
 * it, and there is nothing left to be asked, waited for, or, where the call has its result by now,
 * executed. Then the document goes on, so that the model is told. */
static bool is_settled(jv document, int came) {
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
    return !open && (failed || (refused && !approved));
}

enum course { GOES_ON, ENDS_HERE };

/* One stage, its outcome saved. ENDS_HERE if nothing more is to be done now: *status is set. */
static enum course take_stage(struct work *work, size_t stage, bool *changed, int *status) {
    struct error error;
    jv outcome;
    char *reason;
    int came = run_stage(work, stage, &outcome, &reason);
    bool differs = jv_is_valid(outcome) && !json_equal(outcome, work->document);
    if (differs) {
        jv_free(work->document);
        work->document = jv_copy(outcome);
        *changed = true;
    }
    jv_free(outcome);
    work->due = waits_until(work->document);
    if (is_settled(work->document, came))
        came = STATUS_DONE;
    if ((came == STATUS_DONE || came == STATUS_NO || (came == STATUS_NOT_YET && work->due > 0)) &&
        is_in_trouble(work, stage))
        forget_trouble(work);
    bool waits = work->due > clock_now();
    enum course course = GOES_ON;
    if ((differs || waits) && !save(work, &error)) {
        complain(work->name, "%s", error.text);
        *status = error.status;
        course = ENDS_HERE;
    } else if (waits) {
        *status = STATUS_NOT_YET;
        course = ENDS_HERE;
    } else if (came != STATUS_DONE && came != STATUS_NO) {
        *status = is_passing(came) ? put_off(work, stage, came, reason)
                                   : fail_document(work, came, reason);
        course = ENDS_HERE;
    }
    free(reason);
    return course;
}

/* Through all the stages, again while a call is open and they change it. */
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
    if (!agent_spool_read(spool, "queue", name, &work.document, &error)) {
        complain(NULL, "%s", error.text);
        if (error.status != STATUS_INPUT)
            return error.status;
        if (!agent_spool_move(spool, name, "failed", &error))
            complain(name, "%s", error.text);
        return STATUS_INPUT;
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
    int claim = agent_spool_claim(spool, name);
    if (claim < 0) {
        *due = clock_now() + 1; /* another process has it */
        return STATUS_NOT_YET;
    }
    int status = advance_claimed(stages, spool, name, due);
    agent_spool_release(spool, name, claim);
    return status;
}
