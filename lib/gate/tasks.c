#include "gate/tasks.h"

#include "approval/seal.h"
#include "base/clock.h"
#include "document/call.h"
#include "mcp/message.h"
#include "system/confine.h"
#include "system/durable_file.h"
#include "json/json.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { POLL_MS = 2000 /* how often a client is to ask */ };

/* The spool's functions work in it as the working directory. */
static void enter(const struct tasks *tasks) {
    if (fchdir(tasks->spool.descriptor) != 0)
        report(tasks->directory, "it cannot be entered: %s", strerror(errno));
}

static void leave(const struct tasks *tasks) {
    if (fchdir(tasks->home) != 0)
        report(NULL, "the working directory cannot be entered: %s", strerror(errno));
}

bool tasks_open(struct tasks *tasks, const char *directory, struct error *error) {
    tasks->directory = directory;
    tasks->home = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (tasks->home < 0)
        return fail(error, STATUS_IO, "the working directory: %s", strerror(errno));
    bool good =
        durable_folder(directory, error) && agent_spool_open(&tasks->spool, directory, true, error);
    leave(tasks);
    return good;
}

void tasks_close(struct tasks *tasks) {
    if (tasks->directory == NULL)
        return;
    while (tasks->first != NULL)
        task_release(tasks, tasks->first);
    agent_spool_close(&tasks->spool);
    close(tasks->home);
}

void tasks_needs(const struct tasks *tasks, struct confinement *needs) {
    if (tasks->directory == NULL)
        return;
    confine_add(needs->writes, tasks->spool.directory);
    needs->times = true;
}

static jv now_text(void) {
    char text[40];
    struct tm now = clock_utc();
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &now);
    return jv_string(text);
}

/* The seal of the member `mcp`; the caller frees. NULL if it cannot be sealed. */
static char *seal_for(const struct tasks *tasks, const char *name, jv facts) {
    struct error ignored;
    jv sealed = json_delete(jv_copy(facts), "seal");
    char *canonical = json_canonical(sealed, &ignored);
    char *text = must_format("task of mcp-gate\n%s\n%s\n%s", name, tasks->server,
                             canonical != NULL ? canonical : "");
    char *seal = canonical != NULL ? seal_of(text, tasks->seal_key) : NULL;
    free(text);
    free(canonical);
    jv_free(sealed);
    return seal;
}

/* Whether the document is a task that was written for this name and server. */
static bool is_ours(const struct tasks *tasks, const char *name, jv document) {
    jv facts = json_get(document, "mcp");
    char *seal = jv_get_kind(facts) == JV_KIND_OBJECT ? seal_for(tasks, name, facts) : NULL;
    const char *has = json_string(facts, "seal");
    bool ours = seal != NULL && has != NULL && strlen(has) == strlen(seal) &&
                CRYPTO_memcmp(has, seal, strlen(seal)) == 0;
    free(seal);
    jv_free(facts);
    return ours;
}

/* Reads one of our tasks from a folder. */
static bool read_task(const struct tasks *tasks, const char *folder, const char *name, jv *document,
                      struct error *error) {
    if (!agent_spool_read(folder, name, document, error))
        return false;
    if (is_ours(tasks, name, *document))
        return true;
    jv_free(*document);
    *document = jv_invalid();
    return fail(error, STATUS_NO_FILE, "%s is no task of this gate", name);
}

/* The document with what was changed in its member `mcp`, and the time. Takes both. */
static jv set_facts(jv document, jv facts) {
    facts = json_set(facts, "updated_at", now_text());
    return json_set(document, "mcp", facts);
}

/* Seals it, as it is now. */
static void seal(const struct tasks *tasks, struct task *task) {
    jv facts = json_get(task->document, "mcp");
    char *text = seal_for(tasks, task->name, facts);
    task->document = json_set(task->document, "mcp", json_set_string(facts, "seal", text));
    free(text);
}

static bool save(struct tasks *tasks, struct task *task, struct error *error) {
    seal(tasks, task);
    enter(tasks);
    bool good = agent_spool_save(task->name, task->document, 0, error);
    leave(tasks);
    return good;
}

static struct task *work_on(struct tasks *tasks, const char *name, int claim, jv document) {
    struct task *task = must_alloc(sizeof *task);
    *task = (struct task){
        .next = tasks->first, .name = must_copy(name), .claim = claim, .document = document};
    tasks->first = task;
    return task;
}

struct task *tasks_find(const struct tasks *tasks, const char *name) {
    struct task *task = tasks->first;
    while (task != NULL && strcmp(task->name, name) != 0)
        task = task->next;
    return task;
}

struct task *tasks_claim(struct tasks *tasks, const char *name, struct error *error) {
    jv document = jv_invalid();
    enter(tasks);
    int claim = agent_spool_claim(name, error);
    jv ended = jv_invalid();
    if (claim >= 0 && read_task(tasks, "done", name, &ended, error)) { /* an older copy came back */
        fail(error, STATUS_NO_FILE, "%s has ended", name);
        agent_spool_release(name, claim);
        claim = -1;
    }
    jv_free(ended);
    if (claim >= 0 && !read_task(tasks, "queue", name, &document, error)) {
        agent_spool_release(name, claim);
        claim = -1;
    }
    leave(tasks);
    return claim >= 0 ? work_on(tasks, name, claim, document) : NULL;
}

struct task *tasks_add(struct tasks *tasks, jv call, const char *params, struct error *error) {
    jv facts = json_set_string(jv_object(), "params", params);
    facts = json_set(json_set_string(facts, "status", "working"), "created_at", now_text());
    jv document = json_set(jv_object(), "calls", JV_ARRAY(call));
    document = agent_spool_mark(document_mark(set_facts(document, facts)));
    struct task task = {.name = agent_spool_new_name(), .document = document};
    bool good = save(tasks, &task, error);
    struct task *claimed = good ? tasks_claim(tasks, task.name, error) : NULL;
    jv_free(task.document);
    free(task.name);
    return claimed;
}

jv task_call(const struct task *task) {
    jv calls = json_get(task->document, "calls");
    return jv_array_get(calls, 0);
}

const char *task_params(const struct task *task) {
    jv facts = json_get(task->document, "mcp");
    const char *params = json_string(facts, "params");
    jv_free(facts); /* the document has it too */
    return params != NULL ? params : "";
}

bool task_is_begun(const struct task *task) {
    jv facts = json_get(task->document, "mcp");
    bool begun = json_has(facts, "begun");
    jv_free(facts);
    return begun;
}

void task_put_call(struct task *task, jv call) {
    call = json_delete(call, "token");
    task->document = json_set(task->document, "calls", JV_ARRAY(call));
    task->document = set_facts(task->document, json_get(task->document, "mcp"));
}

bool task_save(struct tasks *tasks, struct task *task, jv call, struct error *error) {
    task_put_call(task, call);
    return save(tasks, task, error);
}

bool task_begin(struct tasks *tasks, struct task *task, jv call, struct error *error) {
    task_put_call(task, call);
    jv facts = json_set(json_get(task->document, "mcp"), "begun", jv_true());
    task->document = json_set(task->document, "mcp", facts);
    return save(tasks, task, error);
}

static void forget(struct tasks *tasks, struct task *task) {
    struct task **at = &tasks->first;
    while (*at != task)
        at = &(*at)->next;
    *at = task->next;
    jv_free(task->document);
    free(task->name);
    free(task);
}

void task_release(struct tasks *tasks, struct task *task) {
    enter(tasks);
    agent_spool_release(task->name, task->claim);
    leave(tasks);
    forget(tasks, task);
}

bool task_finish(struct tasks *tasks, struct task *task, const char *status, const char *member,
                 const char *text, struct error *error) {
    jv facts = json_set_string(json_get(task->document, "mcp"), "status", status);
    if (member != NULL)
        facts = json_set_string(facts, member, text);
    task->document = set_facts(task->document, facts);
    seal(tasks, task);
    enter(tasks);
    bool good = agent_spool_finish(task->name, task->document, "done", error);
    leave(tasks);
    task_release(tasks, task);
    return good;
}

/* Adds a member whose value is this text, if there is one. */
static void add_text(struct text *to, const char *member, const char *value) {
    if (value == NULL)
        return;
    char *string = mcp_string(value), *whole = must_format(",\"%s\":%s", member, string);
    text_add_string(to, whole);
    free(whole);
    free(string);
}

static char *members(jv document, const char *name, const char *message) {
    jv facts = json_get(document, "mcp");
    struct text text = {.text = NULL};
    char *id = must_format("ciba:%s", name);
    char *beginning = must_format("\"ttlMs\":null,\"pollIntervalMs\":%d", POLL_MS);
    text_add_string(&text, beginning);
    add_text(&text, "taskId", id);
    add_text(&text, "status", json_string(facts, "status"));
    add_text(&text, "statusMessage", message);
    add_text(&text, "createdAt", json_string(facts, "created_at"));
    add_text(&text, "lastUpdatedAt", json_string(facts, "updated_at"));
    free(beginning);
    free(id);
    jv_free(facts);
    return text.text;
}

char *task_members(const struct task *task, const char *message) {
    return members(task->document, task->name, message);
}

/* Adds a member that is JSON text, if it is one object: the file may have been changed. */
static void add_object(struct text *to, jv facts, const char *member) {
    const char *value = json_string(facts, member);
    struct json_span span;
    struct error ignored;
    if (value == NULL || strpbrk(value, "\r\n") != NULL ||
        !json_span(value, strlen(value), &span, &ignored) || !json_span_is_object(span))
        return;
    char *name = must_format(",\"%s\":", member);
    text_add_string(to, name);
    text_add(to, span.text, span.size);
    free(name);
}

/* A task that has ended. */
static char *describe_end(jv document, const char *name) {
    jv facts = json_get(document, "mcp");
    struct text text = {.text = NULL};
    char *beginning = members(document, name, NULL);
    text_add_string(&text, "{\"resultType\":\"complete\",");
    text_add_string(&text, beginning);
    add_object(&text, facts, "result");
    add_object(&text, facts, "error");
    text_add_string(&text, "}");
    free(beginning);
    jv_free(facts);
    return text.text;
}

char *tasks_describe(struct tasks *tasks, const char *name, const char *message) {
    struct error ignored;
    struct task *task = tasks_find(tasks, name);
    jv document = task != NULL ? jv_copy(task->document) : jv_invalid();
    bool works = task != NULL;
    enter(tasks);
    if (!works)
        works = read_task(tasks, "queue", name, &document, &ignored);
    bool found = works || read_task(tasks, "done", name, &document, &ignored);
    leave(tasks);
    char *text = NULL;
    if (works) {
        char *beginning = members(document, name, message);
        text = must_format("{\"resultType\":\"complete\",%s}", beginning);
        free(beginning);
    } else if (found) {
        text = describe_end(document, name);
    }
    jv_free(document);
    return text;
}
