#include "agent/work.h"

#include "base/backoff.h"
#include "base/clock.h"
#include "ciba/interval.h"
#include "ciba/pending_request.h"
#include "document/call.h"
#include "json/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS_LIMIT = 100, KILLED = 126 };

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

static struct work_next give_up(struct work *work, int status, char *reason) {
    forget_last_trouble(work);
    work->own = json_delete(work->own, "troubles");
    work->own = json_set_string(work->own, "reason", reason);
    work->own = json_set(work->own, "status", jv_number(status));
    return (struct work_next){WORK_ABANDON, true, status, 0, reason};
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
static struct work_next put_off(struct work *work, int status, const char *reason) {
    double tries = 0;
    jv trouble = trouble_of(work, work->stage);
    json_number(trouble, "tries", &tries);
    double seconds = jv_is_valid(trouble) ? failing_for(trouble) : 0;
    jv_free(trouble);
    if (seconds > work->rules->give_up)
        return give_up(work, status, must_format("given up: %s", reason));
    struct backoff backoff = {.base = work->rules->backoff, .cap = 3600};
    double wait = backoff_wait(&backoff, tries);
    note_trouble(work, work->stage, tries + 1, seconds, wait);
    work->own = json_set_string(work->own, "reason", reason);
    work->own = json_set(work->own, "status", jv_number(status));
    return (struct work_next){WORK_KEEP, true, STATUS_NOT_YET, clock_now() + wait,
                              must_copy(reason)};
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

/* After the last stage of a round. */
static struct work_next end_round(struct work *work, bool differs) {
    char *call = open_call(work->document);
    work->stage = 0;
    if (call == NULL)
        return (struct work_next){WORK_FINISH, true, STATUS_DONE, 0, NULL};
    char *reason = work->changed ? NULL : must_format("no stage works on the call %s", call);
    free(call);
    if (reason == NULL && ++work->round == ROUNDS_LIMIT)
        reason =
            must_format("it has been through all stages %d times, and is not done", ROUNDS_LIMIT);
    if (reason != NULL)
        return give_up(work, STATUS_INPUT, reason);
    work->changed = false;
    return (struct work_next){WORK_GIVE, differs, STATUS_DONE, 0, NULL};
}

/* The exit status of the stage, and how it ended, in words that the caller frees. */
static char *read_end(const struct work *work, const struct work_end *end, int *status) {
    *status = end->status;
    if (*status <= STATUS_NO && !end->unchanged && !jv_is_valid(end->document)) {
        *status = STATUS_INPUT;
        return must_format("%s: %s", end->program, end->no_document);
    }
    return must_format("%s: %s%s%sexit status %d%s%s", end->program,
                       end->late ? "took longer than " : "", end->late ? work->rules->limit : "",
                       end->late ? ": " : "", *status, *end->words != '\0' ? ": " : "", end->words);
}

const char *work_text(struct work *work) {
    if (work->text == NULL)
        work->text = json_text(work->document);
    return work->text;
}

/* Whether a member can be added to the text of a document at its end, and `spool` is none of its
 * members. */
static bool is_plain(const char *text, jv document) {
    return text != NULL && strncmp(text, "{\"", 2) == 0 && text[strlen(text) - 1] == '}' &&
           !json_names(document, "spool");
}

struct work_next work_ended(struct work *work, const struct work_end *end) {
    int came;
    char *reason = read_end(work, end, &came), *text = end->text;
    if (!is_plain(text, end->document)) {
        free(text);
        text = NULL;
    }
    jv document = json_delete(end->document, "spool");
    bool differs = jv_is_valid(document) && !json_equal(document, work->document), explained;
    if (differs) {
        jv_free(work->document);
        work->document = jv_copy(document);
        free(work->text);
        work->text = text;
        work->changed = true;
    } else {
        free(text);
    }
    jv_free(document);
    double due = waits_until(work->document);
    if (is_settled(work->document, came, &explained))
        came = STATUS_DONE;
    if (came == STATUS_DONE || came == STATUS_NO || (came == STATUS_NOT_YET && due > 0))
        forget_trouble(work, work->stage);
    struct work_next next = {WORK_GIVE, differs, STATUS_DONE, 0, NULL};
    if (due > clock_now())
        next = (struct work_next){WORK_KEEP, true, STATUS_NOT_YET, due, NULL};
    else if (came != STATUS_DONE && came != STATUS_NO)
        next = is_passing(came) || explained ? put_off(work, came, reason)
                                             : give_up(work, came, must_copy(reason));
    else if (++work->stage == work->rules->stages)
        next = end_round(work, differs);
    free(reason);
    return next;
}

struct work_next work_not_started(struct work *work, const struct error *error) {
    return put_off(work, error->status, error->text);
}

struct work_next work_put_off(struct work *work, int status, const char *reason) {
    return put_off(work, status, reason);
}

jv work_document(const struct work *work) {
    return json_set(jv_copy(work->document), "spool", jv_copy(work->own));
}

bool work_begin(struct work *work, const struct work_rules *rules, jv document,
                struct error *error) {
    bool good = json_has(document, "mcp")
                    ? fail(error, STATUS_INPUT, "is a task of mcp-gate, which alone works on it")
                    : document_is_known(document, error);
    if (!good) {
        jv_free(document);
        return false;
    }
    jv own = json_get(document, "spool");
    if (jv_get_kind(own) != JV_KIND_OBJECT) {
        jv_free(own);
        own = jv_object();
    }
    *work = (struct work){.rules = rules, .document = json_delete(document, "spool"), .own = own};
    return true;
}

void work_free(struct work *work) {
    jv_free(work->document);
    jv_free(work->own);
    free(work->text);
}
