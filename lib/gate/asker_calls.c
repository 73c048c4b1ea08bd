#include "gate/asker_calls.h"

#include "base/clock.h"
#include "ciba/asked.h"
#include "ciba/decision.h"
#include "document/call.h"
#include "mcp/message.h"
#include "json/json.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Sends a line, which is freed. */
void asker_say(struct asker *asker, char *line) {
    size_t size = strlen(line), sent = 0;
    while (!asker->ended && sent < size) {
        ssize_t put = write(asker->connection, line + sent, size - sent);
        sent += put > 0 ? (size_t)put : 0;
        asker->ended = put < 0 && errno != EINTR;
    }
    free(line);
}

/* Ends a task with a result, which is freed. */
void asker_finish_task(struct asker *asker, struct task *task, const char *status, char *result) {
    struct error error;
    if (!task_finish(&asker->tasks, task, status, result != NULL ? "result" : NULL, result, &error))
        report(asker->tasks.directory, "%s", error.text);
    free(result);
}

void asker_say_no(struct asker *asker, const struct subject *subject, const char *reason) {
    if (subject->task != NULL) {
        char *words = must_format("not approved: %s; the tool was not called", reason);
        asker_finish_task(asker, subject->task, "completed", mcp_refusal(words, true));
        free(words);
        return;
    }
    char *string = mcp_string(reason);
    asker_say(asker, must_format("{\"no\":%lu,\"reason\":%s}\n", subject->number, string));
    free(string);
}

static void tell(char *line) {
    report(NULL, "%s", line);
    free(line);
}

/* Whether a client still waits for a call. It does not wait for the user any more. */
static bool is_wanted(struct asker *asker, unsigned long number) {
    char *key = must_format("%lu", number);
    jv waits = json_get(asker->asked, key);
    bool wanted = jv_get_kind(waits) != JV_KIND_FALSE;
    asker->abandoned -= !wanted;
    asker->asked = json_delete(asker->asked, key);
    jv_free(waits);
    free(key);
    return wanted;
}

/* The server is to be given a task's call. */
static void run_task(struct asker *asker, const struct subject *subject, jv call) {
    struct error error;
    if (!task_begin(&asker->tasks, subject->task, jv_copy(call), &error)) {
        asker_say_no(asker, subject, error.text);
        return;
    }
    char *name = mcp_string(subject->task->name);
    char *params = mcp_string(task_params(subject->task));
    asker_say(asker, must_format("{\"run\":%s,\"params\":%s}\n", name, params));
    free(params);
    free(name);
}

/* The user said yes, and that is proven. */
static void say_yes(struct asker *asker, const struct subject *subject, jv call) {
    struct error error;
    if (subject->task == NULL && !is_wanted(asker, subject->number))
        return;
    if (!ledger_started(&asker->authorizer.ledger, call, &error)) {
        asker_say_no(asker, subject, error.text);
        return;
    }
    tell(approved_line(call));
    if (subject->task != NULL)
        run_task(asker, subject, call);
    else
        asker_say(asker, must_format("{\"yes\":%lu}\n", subject->number));
}

static void say_what_it_is(struct asker *asker, const struct subject *subject, jv call,
                           bool proven) {
    if (proven) {
        say_yes(asker, subject, call);
        return;
    }
    char *reason = refusal_line(call);
    if (subject->task != NULL)
        task_put_call(subject->task, jv_copy(call));
    if (subject->task != NULL || is_wanted(asker, subject->number))
        asker_say_no(asker, subject, reason);
    free(reason);
}

/* The poller's document. Takes the call. */
static jv document_of(const struct subject *subject, jv call) {
    jv document = json_set(jv_object(), "calls", JV_ARRAY(call));
    return subject->task != NULL ? json_set_string(document, "task", subject->task->name)
                                 : json_set(document, "number", jv_number((double)subject->number));
}

/* A call is decided, or cannot be any more. */
void asker_take_decision(void *context, jv document, int status) {
    struct asker *asker = context;
    struct subject subject = {0, NULL};
    double number = 0;
    unsigned long approved = poller_approved(asker->poller);
    jv calls = json_get(document, "calls"), call = jv_array_get(calls, 0);
    bool proven = status == STATUS_DONE && call_state(call) == CALL_APPROVED &&
                  approved == asker->approved + 1;
    asker->approved = approved;
    const char *name = json_string(document, "task");
    subject.task = name != NULL ? tasks_find(&asker->tasks, name) : NULL;
    if (json_number(document, "number", &number))
        subject.number = (unsigned long)number;
    if (subject.task != NULL || name == NULL)
        say_what_it_is(asker, &subject, call, proven);
    jv_free(call);
    jv_free(document);
}

/* Tells the gate until when the call waits for whom. */
static void say_asked(struct asker *asker, unsigned long number, jv call) {
    jv authorization = json_get(call, "authorization");
    const char *user = json_string(authorization, "user");
    double until = clock_now();
    json_number(authorization, "expires_at", &until);
    char *name = mcp_string(user != NULL ? user : "the user");
    asker_say(asker, must_format("{\"asked\":%lu,\"user\":%s,\"seconds\":%.0f}\n", number, name,
                                 fmax(until - clock_now(), 0)));
    free(name);
    jv_free(authorization);
}

/* The user is asked: waits for their answer. Takes the call. */
void asker_wait_for(struct asker *asker, const struct subject *subject, jv call) {
    if (subject->task == NULL) {
        char *key = must_format("%lu", subject->number);
        asker->asked = json_set(asker->asked, key, jv_true());
        free(key);
        say_asked(asker, subject->number, call);
    }
    poller_add(asker->poller, document_of(subject, call), NULL);
}

/* Whether no object in the value has members that differ in nothing but the case of letters: a
 * server may take the one where the user read the other. False and an error. */
static bool members_differ(jv value, struct error *error) {
    bool good = true;
    if (jv_get_kind(value) == JV_KIND_ARRAY) {
        jv_array_foreach(value, i, item) {
            good = good && members_differ(item, error);
            jv_free(item);
        }
        return good;
    }
    if (jv_get_kind(value) != JV_KIND_OBJECT)
        return true;
    jv seen = jv_object();
    jv_object_foreach(value, key, item) {
        char *folded = mcp_folded(jv_string_value(key));
        good = good &&
               (!json_names(seen, folded) ||
                fail(error, STATUS_INPUT,
                     "two of its arguments are named '%.100s', but for the "
                     "case of letters",
                     folded)) &&
               members_differ(item, error);
        seen = json_set(seen, folded, jv_true());
        free(folded);
        jv_free(key);
        jv_free(item);
    }
    jv_free(seen);
    return good;
}

/* Answers to questions of the server are arguments too: the user reads them. Takes the arguments.
 */
static bool add_answers(jv message, jv *arguments, struct error *error) {
    if (!json_names(message, "inputResponses"))
        return true;
    if (json_names(*arguments, "inputResponses"))
        return fail(error, STATUS_INPUT, "it has an argument inputResponses beside the answers");
    *arguments = json_set(*arguments, "inputResponses", json_get(message, "inputResponses"));
    return true;
}

bool asker_read_call(const struct asker *asker, unsigned long number, jv message, jv *call,
                     struct error *error) {
    jv arguments = json_names(message, "arguments") ? json_get(message, "arguments") : jv_object();
    bool good = members_differ(arguments, error) && add_answers(message, &arguments, error);
    char *id = must_format("mcp_%s_%lu", asker->session, number);
    *call = json_set_string(jv_object(), "id", id);
    *call = json_set(*call, "name", json_get(message, "name"));
    *call = json_set(*call, "arguments", arguments);
    free(id);
    return good;
}

/* Asks about a call, or goes on with what is known of it. Takes the call. */
void asker_ask_user(struct asker *asker, const struct subject *subject, jv call) {
    struct authorizer *authorizer = &asker->authorizer;
    struct error error = {STATUS_DONE, ""};
    int status = STATUS_DONE;
    call = authorizer_call(authorizer, call, &status);
    enum call_state state = call_state(call);
    if (subject->task != NULL && !task_save(&asker->tasks, subject->task, jv_copy(call), &error)) {
        asker_say_no(asker, subject, error.text);
    } else if (status == STATUS_DONE && state == CALL_PENDING) {
        tell(asked_line(call));
        asker_wait_for(asker, subject, jv_copy(call));
    } else if (status == STATUS_NOT_YET && subject->task != NULL) {
        task_release(&asker->tasks, subject->task); /* until its client asks again */
    } else {
        if (status == STATUS_DONE && state == CALL_APPROVED)
            call = decision_reused(&authorizer->client, &authorizer->ledger, call, &status);
        say_what_it_is(asker, subject, call,
                       status == STATUS_DONE && call_state(call) == CALL_APPROVED);
    }
    jv_free(call);
}
