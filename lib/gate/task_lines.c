#include "gate/task_lines.h"

#include <stdlib.h>
#include <string.h>

static const char prefix[] = "ciba:"; /* of the ids of our tasks */

bool task_is_wanted(const struct gate *gate, struct json_span params) {
    struct json_span value = json_span_member(params, "_meta");
    value = json_span_member(value, "io.modelcontextprotocol/clientCapabilities");
    value = json_span_member(json_span_member(value, "extensions"), GATE_TASKS_EXTENSION);
    return gate->has_tasks && json_span_is_object(value);
}

bool task_is_ours(const char *id) {
    return strncmp(id, prefix, sizeof prefix - 1) == 0;
}

static bool is_known(const char *method) {
    return strcmp(method, "tasks/get") == 0 || strcmp(method, "tasks/cancel") == 0 ||
           strcmp(method, "tasks/update") == 0;
}

bool task_query(struct gate *gate, const struct mcp_message *message) {
    char *id = json_span_string(json_span_member(message->params, "taskId"));
    bool ours = gate->has_tasks && id != NULL && task_is_ours(id);
    if (ours && message->id.text != NULL && !is_known(message->method)) {
        mcp_add_error(&gate->answers, message->id, MCP_INVALID_PARAMS, "there is no such task");
    } else if (ours && message->id.text != NULL) {
        static const struct json_span none = {NULL, 0};
        struct held_call *call = gate->asks && !id_set_has(&gate->passed, message->id)
                                     ? held_calls_add(&gate->held, message->id, message->id, none)
                                     : NULL;
        char *name = mcp_string(id + sizeof prefix - 1);
        char *line = call != NULL ? must_format("{\"%s\":%lu,\"task\":%s}\n", message->method + 6,
                                                call->number, name)
                                  : NULL;
        if (call != NULL) {
            call->queries = true;
            text_add_string(&gate->to_asker.text, line);
        } else {
            mcp_add_error(&gate->answers, message->id, MCP_INTERNAL_ERROR,
                          "the task cannot be looked up now");
        }
        free(line);
        free(name);
    }
    free(id);
    return ours;
}

void task_told(struct gate *gate, struct held_call *call, struct json_span line) {
    struct json_span result = json_span_member(line, "result");
    if (json_span_is_object(result)) {
        char *text = json_span_copy(result);
        mcp_add_result(&gate->answers, call->id, text);
        free(text);
    } else {
        bool elsewhere = json_span_member(line, "elsewhere").text != NULL;
        mcp_add_error(&gate->answers, call->id, elsewhere ? MCP_INTERNAL_ERROR : MCP_INVALID_PARAMS,
                      elsewhere ? "another mcp-gate works on this task" : "there is no such task");
    }
    held_calls_remove(&gate->held, call);
}

/* Adds the object without the member that the path leads to. */
static void add_without(struct text *to, struct json_span object, const char *const *path) {
    struct json_walk walk = json_walk(object);
    bool first = true;
    text_add_string(to, "{");
    while (json_walk_next(&walk)) {
        char *key = json_span_string(walk.key);
        bool here = key != NULL && strcmp(key, path[0]) == 0;
        free(key);
        if (here && path[1] == NULL)
            continue;
        text_add_string(to, first ? "" : ",");
        first = false;
        text_add(to, walk.key.text, walk.key.size);
        text_add_string(to, ":");
        if (here && json_span_is_object(walk.value))
            add_without(to, walk.value, path + 1);
        else
            text_add(to, walk.value.text, walk.value.size);
    }
    text_add_string(to, "}");
}

/* The params' text without what is the client's; the caller frees. NULL if it is none. */
static char *params_for_server(const char *params) {
    static const char *const token[] = {"_meta", "progressToken", NULL};
    static const char *const tasks[] = {"_meta", "io.modelcontextprotocol/clientCapabilities",
                                        "extensions", GATE_TASKS_EXTENSION, NULL};
    struct json_span span;
    struct error ignored;
    struct text without_token = {.text = NULL}, without_both = {.text = NULL};
    if (strpbrk(params, "\r\n") != NULL || /* it is to be one line */
        !json_span(params, strlen(params), &span, &ignored) || !json_span_is_object(span))
        return NULL;
    add_without(&without_token, span, token);
    if (json_span(without_token.text, without_token.size, &span, &ignored))
        add_without(&without_both, span, tasks);
    free(without_token.text);
    return without_both.text;
}

/* Tells the asker what came of it; `member` is result or error, NULL if that is not known. */
static void tell_asker(struct gate *gate, const char *task, const char *member,
                       struct json_span value) {
    struct text *to = &gate->to_asker.text;
    char *name = mcp_string(task), *beginning = must_format("{\"ran\":%s", name);
    text_add_string(to, beginning);
    if (member != NULL) {
        text_add_string(to, ",\"");
        text_add_string(to, member);
        text_add_string(to, "\":");
        text_add(to, value.text, value.size);
    }
    text_add_string(to, "}\n");
    free(beginning);
    free(name);
}

static void tell_refusal(struct gate *gate, const char *task, const char *words) {
    char *result = mcp_refusal(words, true);
    tell_asker(gate, task, "result", (struct json_span){result, strlen(result)});
    free(result);
}

void task_run(struct gate *gate, struct json_span line) {
    static const struct json_span none = {NULL, 0};
    char *task = json_span_string(json_span_member(line, "run"));
    char *params = json_span_string(json_span_member(line, "params"));
    char *ours = params != NULL ? params_for_server(params) : NULL;
    if (task != NULL && (ours == NULL || !gate->asks)) {
        tell_refusal(gate, task, "approved, but the client is gone; the tool was not called");
    } else if (task != NULL) {
        char *name = must_format("mcp-gate:%s", task), *id = mcp_string(name);
        struct json_span span = {id, strlen(id)};
        struct held_call *call = held_calls_add(&gate->held, span, span, none);
        if (call != NULL) {
            char *request = must_format(
                "{\"jsonrpc\":\"2.0\",\"id\":%s,\"method\":\"tools/call\",\"params\":%s}\n", id,
                ours);
            text_add_string(&gate->to_server.text, request);
            call->task = must_copy(task);
            held_calls_pass(&gate->held, call);
            free(request);
        } else {
            tell_refusal(gate, task, "a request with its id is under way; the tool was not called");
        }
        free(id);
        free(name);
    }
    free(ours);
    free(params);
    free(task);
}

void task_ran(struct gate *gate, struct held_call *call, const struct mcp_message *message) {
    struct json_span type = json_span_member(message->result, "resultType");
    if (message->error.text != NULL)
        tell_asker(gate, call->task, "error", message->error);
    else if (type.text != NULL && !json_span_is(type, "\"complete\""))
        tell_refusal(gate, call->task,
                     "the server asks for more than the call, which cannot be given to a task");
    else if (message->result.text != NULL)
        tell_asker(gate, call->task, "result", message->result);
    else
        tell_asker(gate, call->task, NULL, message->result);
    held_calls_remove(&gate->held, call);
}

void task_discovery(struct json_span message, struct json_span result, struct text *to) {
    static const char extension[] = "\"" GATE_TASKS_EXTENSION "\":{}";
    struct json_span capabilities = json_span_member(result, "capabilities");
    struct json_span extensions = json_span_member(capabilities, "extensions");
    bool has_some = json_span_is_object(extensions);
    struct json_span into = has_some ? extensions : capabilities;
    if (!json_span_is_object(into) || (extensions.text != NULL && !has_some) ||
        json_span_member(extensions, GATE_TASKS_EXTENSION).text != NULL) {
        text_add(to, message.text, message.size);
        return;
    }
    struct json_walk walk = json_walk(into);
    const char *from = into.text + 1;
    text_add(to, message.text, (size_t)(from - message.text));
    text_add_string(to, has_some ? "" : "\"extensions\":{");
    text_add_string(to, extension);
    text_add_string(to, has_some ? "" : "}");
    text_add_string(to, json_walk_next(&walk) ? "," : "");
    text_add(to, from, message.size - (size_t)(from - message.text));
}
