#include "gate/asker_tasks.h"

#include "base/clock.h"
#include "document/call.h"
#include "gate/asker_calls.h"
#include "mcp/message.h"
#include "json/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { RESULT_LIMIT = 8 << 20 /* bytes of what a document keeps; as text in it, it may grow */ };

/* Before the user is asked about a task: if this process ends before it knows the provider's
 * answer, they may have been asked. */
static bool note_intent(struct asker *asker, const struct subject *subject, jv call,
                        struct error *error) {
    double until = clock_now() + ciba_lifetime(&asker->authorizer.question);
    return task_save(
        &asker->tasks, subject->task,
        ciba_lost(jv_copy(call), until, "the answer was lost; the user may have been asked"),
        error);
}

/* Asks about a call as a task: the gate hears of it as soon as it is on the disk. */
void asker_ask_as_task(struct asker *asker, unsigned long number, jv message, jv call) {
    struct error error;
    struct subject subject = {number, NULL};
    struct task *task =
        tasks_add(&asker->tasks, jv_copy(call), json_string(message, "params"), &error);
    if (task == NULL) {
        asker_say_no(asker, &subject, error.text);
        return;
    }
    char *members = task_members(task, "the user is asked");
    asker_say(asker, must_format("{\"told\":%lu,\"result\":{\"resultType\":\"task\",%s}}\n", number,
                                 members));
    free(members);
    subject.task = task;
    task->number = number;
    if (note_intent(asker, &subject, call, &error))
        asker_ask_user(asker, &subject, jv_copy(call));
    else
        asker_say_no(asker, &subject, error.text);
}

/* What the sealed text of a task's params says of its call; invalid if it cannot be read. */
static jv message_of(const struct task *task) {
    static const char *const members[] = {"name", "arguments", "inputResponses"};
    const char *params = task_params(task);
    struct json_span span, value;
    struct error ignored;
    jv message = jv_object(), parsed;
    bool good = json_span(params, strlen(params), &span, &ignored);
    for (size_t i = 0; good && i < sizeof members / sizeof *members; i++) {
        value = json_span_member(span, members[i]);
        if (value.text == NULL)
            continue;
        good = json_parse(value.text, value.size, &parsed, &ignored);
        if (good)
            message = json_set(message, members[i], parsed);
    }
    if (good)
        return message;
    jv_free(message);
    return jv_invalid();
}

/* Whether a task's call is the one that its params say. */
static bool is_whole(const struct asker *asker, const struct task *task, jv call) {
    struct error ignored;
    jv message = message_of(task), other = jv_invalid();
    bool good = jv_is_valid(message) && asker_read_call(asker, 0, message, &other, &ignored);
    char *one = good ? call_digest(call, &ignored) : NULL;
    char *two = one != NULL ? call_digest(other, &ignored) : NULL;
    good = two != NULL && strcmp(one, two) == 0;
    free(one);
    free(two);
    jv_free(other);
    jv_free(message);
    return good;
}

/* Goes on with a task that nobody works on. */
static void resume(struct asker *asker, struct task *task) {
    struct subject subject = {0, task};
    jv call = task_call(task);
    if (task_is_begun(task))
        asker_finish_task(
            asker, task, "completed",
            mcp_refusal("the gate ended in this call; what came of it is not known, and it "
                        "is not made again",
                        true));
    else if (!is_whole(asker, task, call))
        asker_say_no(asker, &subject, "its document was changed");
    else if (call_state(call) == CALL_PENDING)
        asker_wait_for(asker, &subject, jv_copy(call));
    else
        asker_ask_user(asker, &subject, jv_copy(call));
    jv_free(call);
}

/* The file's name in a task's id; NULL if it is none. */
static const char *name_in(jv message) {
    const char *name = json_string(message, "task");
    bool good = name != NULL && *name != '\0' && *name != '.' && strlen(name) < 100 &&
                name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                  "._-")] == '\0';
    return good ? name : NULL;
}

/* What a task waits for, in words; the caller frees. NULL if nothing is known. */
static char *words_about(struct asker *asker, const char *name) {
    struct task *task = tasks_find(&asker->tasks, name);
    if (task == NULL)
        return NULL;
    if (task_is_begun(task))
        return must_copy("approved; the server works on it");
    double until = 0;
    jv call = task_call(task), authorization = json_get(call, "authorization");
    const char *user = json_string(authorization, "user");
    json_number(authorization, "expires_at", &until);
    char *words = must_format("waiting for %s, %.0f s left", user != NULL ? user : "the user",
                              fmax(until - clock_now(), 0));
    jv_free(authorization);
    jv_free(call);
    return words;
}

/* Answers tasks/get, tasks/cancel and tasks/update. */
void asker_tell_task(struct asker *asker, unsigned long number, jv message) {
    struct error why = {STATUS_DONE, ""};
    const char *name = name_in(message);
    bool cancels = json_has(message, "cancel");
    struct task *task = name != NULL ? tasks_find(&asker->tasks, name) : NULL;
    if (name != NULL && task == NULL && (task = tasks_claim(&asker->tasks, name, &why)) != NULL &&
        !cancels)
        resume(asker, task);
    if (cancels && task != NULL && !task_is_begun(task))
        asker_finish_task(asker, task, "cancelled", NULL);
    char *words = name != NULL ? words_about(asker, name) : NULL;
    char *result = name != NULL ? tasks_describe(&asker->tasks, name, words) : NULL;
    if (result == NULL || (cancels && why.status == STATUS_NOT_YET))
        asker_say(asker, must_format("{\"told\":%lu%s}\n", number,
                                     result != NULL ? ",\"elsewhere\":true" : ""));
    else if (json_has(message, "get"))
        asker_say(asker, must_format("{\"told\":%lu,\"result\":%s}\n", number, result));
    else
        asker_say(asker,
                  must_format("{\"told\":%lu,\"result\":{\"resultType\":\"complete\"}}\n", number));
    free(result);
    free(words);
}

/* The server has answered a task's call. */
void asker_take_result(struct asker *asker, struct json_span message) {
    char *name = json_span_string(json_span_member(message, "ran"));
    struct task *task = name != NULL ? tasks_find(&asker->tasks, name) : NULL;
    struct json_span result = json_span_member(message, "result");
    struct json_span error = json_span_member(message, "error");
    struct error why;
    free(name);
    if (task == NULL)
        return;
    if (result.size > RESULT_LIMIT || error.size > RESULT_LIMIT) {
        asker_finish_task(
            asker, task, "completed",
            mcp_refusal("the server's answer is larger than 8 MiB, and was not kept", true));
    } else if (json_span_is_object(error)) {
        char *text = json_span_copy(error);
        if (!task_finish(&asker->tasks, task, "failed", "error", text, &why))
            report(asker->tasks.directory, "%s", why.text);
        free(text);
    } else {
        asker_finish_task(
            asker, task, "completed",
            json_span_is_object(result)
                ? json_span_copy(result)
                : mcp_refusal("the server has ended in this call; what came of it is not "
                              "known",
                              true));
    }
}
