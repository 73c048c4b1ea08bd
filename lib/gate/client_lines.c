#include "gate/client_lines.h"

#include "gate/asker_lines.h"
#include "gate/permission_server.h"
#include "gate/task_lines.h"
#include "mcp/message.h"

#include <stdlib.h>
#include <string.h>

enum fate { PASSES, TAKEN };

/* Of tools/call. */
static const char *const known_params[] = {"name",           "arguments",    "_meta", "task",
                                           "inputResponses", "requestState", NULL};

static void answer_error(struct gate *gate, struct json_span id, int code, const char *what,
                         const char *why) {
    char *words = must_format("%s%s%s", what, *why != '\0' ? ": " : "", why);
    gate_report(gate, "client", words);
    mcp_add_error(&gate->answers, id, code, words);
    free(words);
}

static void answer_refusal(struct gate *gate, const struct mcp_message *message, const char *why) {
    char *result = gate_refusal(gate, why, mcp_is_stateless(message->params));
    mcp_add_result(&gate->answers, message->id, result);
    free(result);
}

/* The user reads the arguments, and answers to the server's questions; nothing else may say what
 * is done. */
static bool says_nothing_else(struct json_span params, struct error *error) {
    struct json_walk walk = json_walk(params);
    bool good = true;
    while (good && json_walk_next(&walk)) {
        char *key = json_span_string(walk.key);
        const char *const *name = known_params;
        while (*name != NULL && strcmp(*name, key) != 0)
            name++;
        good = *name != NULL ||
               fail(error, STATUS_INPUT, "the user would not see its params' '%.100s'", key);
        free(key);
    }
    struct json_span arguments = json_span_member(params, "arguments");
    return good && (arguments.text == NULL || json_span_is(arguments, "null") ||
                    json_span_is_object(arguments) ||
                    fail(error, STATUS_INPUT, "its arguments are no object"));
}

/* Holds a call until the user has answered. */
static void hold(struct gate *gate, const struct mcp_message *message, struct json_span line) {
    struct json_span name, input;
    struct error error;
    struct json_span token =
        json_span_member(json_span_member(message->params, "_meta"), "progressToken");
    if (message->id.text == NULL) {
        gate_report(gate, "client", "a call without an id was not passed on");
    } else if (!says_nothing_else(message->params, &error)) {
        answer_error(gate, message->id, MCP_INVALID_PARAMS, "the call cannot be asked about",
                     error.text);
    } else if (gate->grants &&
               !permission_call(json_span_member(message->params, "arguments"), &name, &input)) {
        answer_refusal(gate, message, "not approved: it does not clearly say which tool and input");
    } else if (!gate->asks) {
        answer_refusal(gate, message, GATE_NOBODY_ASKS);
    } else if (line.size > GATE_CALL_LIMIT) {
        answer_refusal(gate, message,
                       "not approved: a call of more than 8 MiB cannot be asked about");
    } else if (gate->held.count >= GATE_CALLS_LIMIT ||
               gate->held.size + line.size > GATE_HELD_LIMIT) {
        answer_refusal(gate, message, "not approved: too many calls wait for an answer already");
    } else {
        if (token.size > GATE_TOKEN_LIMIT)
            token = (struct json_span){NULL, 0};
        bool is_free = !id_set_has(&gate->passed, message->id);
        struct held_call *call =
            is_free ? held_calls_add(&gate->held, line, message->id, token) : NULL;
        if (call == NULL) {
            answer_error(gate, message->id, MCP_INVALID_REQUEST,
                         "a request with this id has no answer yet", "");
            return;
        }
        call->stateless = mcp_is_stateless(message->params);
        asker_ask(gate, call, message->params, task_is_wanted(gate, message->params));
    }
}

static enum fate call_tool(struct gate *gate, const struct mcp_message *message,
                           struct json_span line) {
    struct error error = {STATUS_INPUT, ""};
    char *name = json_span_string(json_span_member(message->params, "name"));
    enum fate fate = TAKEN;
    if (!json_span_is_object(message->params) ||
        !mcp_members_are_clear(message->params, known_params, &error) || name == NULL)
        answer_error(gate, message->id, MCP_INVALID_PARAMS,
                     "a call whose params name no tool clearly", error.text);
    else if (gated_tools_has(gate->tools, name))
        hold(gate, message, line);
    else
        fate = PASSES;
    free(name);
    return fate;
}

static enum fate take_back(struct gate *gate, struct held_call *call) {
    asker_forget(gate, call);
    held_calls_remove(&gate->held, call);
    return TAKEN;
}

/* A call that waits is taken back: the server has never heard of it. */
static enum fate cancel(struct gate *gate, const struct mcp_message *message) {
    struct json_span id = json_span_member(message->params, "requestId");
    struct held_call *call = id.text != NULL ? held_calls_by_id(&gate->held, id) : NULL;
    int kind;
    if (id.text != NULL) {
        gate_take_list(gate, id, &kind);
        id_set_take(&gate->passed, id); /* an answer is not expected any more */
    }
    if (call != NULL && call->passed && call->task == NULL)
        held_calls_remove(&gate->held, call);
    else if (call != NULL && !call->passed && !call->queries)
        return take_back(gate, call);
    return PASSES;
}

/* The answer will get an addition (server_lines.c). */
static void expect_list(struct gate *gate, const struct mcp_message *message) {
    bool pages = json_span_member(message->params, "cursor").text != NULL;
    if (message->id.text == NULL)
        return;
    if (gate->list_count == GATE_LISTS_LIMIT)
        gate_drop_list(gate);
    gate->lists[gate->list_count++] =
        (struct gate_list){mcp_id_key(message->id), *message->method == 's' ? DISCOVERY
                                                    : pages                 ? TOOLS_NEXT_PAGE
                                                                            : TOOLS_FIRST_PAGE};
}

/* A method that a careless server may take for tools/call. */
static bool resembles_call(const char *method) {
    char *folded = mcp_folded(method);
    bool resembles = strstr(folded, "tools/call") != NULL;
    free(folded);
    return resembles;
}

/* A request that goes on to the server: only what the server has is it heard to answer. */
static enum fate pass_request(struct gate *gate, const struct mcp_message *message) {
    if (message->id.text == NULL)
        return PASSES;
    if (held_calls_by_id(&gate->held, message->id) != NULL ||
        id_set_has(&gate->passed, message->id))
        answer_error(gate, message->id, MCP_INVALID_REQUEST,
                     "a request with this id has no answer yet", "");
    else if (gate->passed.count >= GATE_REQUESTS_LIMIT)
        answer_error(gate, message->id, MCP_INTERNAL_ERROR, "too many requests have no answer yet",
                     "");
    else {
        id_set_add(&gate->passed, mcp_id_key(message->id));
        return PASSES;
    }
    return TAKEN;
}

/* What becomes of one message; `line` is all of it that is passed on later. */
static enum fate take(struct gate *gate, struct json_span object, struct json_span line) {
    struct mcp_message message;
    struct error error;
    enum fate fate = PASSES;
    bool gets_addition = false;
    if (!mcp_message_read(object, &message, &error)) {
        answer_error(gate, (struct json_span){NULL, 0}, MCP_INVALID_REQUEST,
                     "a message was not passed on", error.text);
        fate = TAKEN;
    } else if (message.method == NULL) {
        fate = PASSES; /* an answer to the server */
    } else if (strcmp(message.method, "tools/call") == 0) {
        fate = call_tool(gate, &message, line);
    } else if (strcmp(message.method, "notifications/cancelled") == 0) {
        fate = cancel(gate, &message);
    } else if (strcmp(message.method, "tools/list") == 0 ||
               (gate->has_tasks && strcmp(message.method, "server/discover") == 0)) {
        gets_addition = true;
    } else if (strncmp(message.method, "tasks/", 6) == 0) {
        fate = task_query(gate, &message) ? TAKEN : PASSES;
    } else if (resembles_call(message.method)) {
        answer_error(gate, message.id, MCP_METHOD_NOT_FOUND,
                     "a method that may be taken for tools/call", "");
        fate = TAKEN;
    }
    if (fate == PASSES && message.method != NULL)
        fate = pass_request(gate, &message);
    if (fate == PASSES && gets_addition)
        expect_list(gate, &message);
    mcp_message_free(&message);
    return fate;
}

/* A batch (2025-03-26, JSON-RPC 2.0 §6): what is taken out of it is answered by itself. */
static void take_batch(struct gate *gate, struct json_span batch, struct json_span line) {
    struct text rest = {.text = NULL};
    bool whole = true;
    size_t count = 0;
    struct json_walk walk = json_walk(batch);
    while (json_walk_next(&walk))
        count++;
    if (count > GATE_BATCH_LIMIT) {
        answer_error(gate, (struct json_span){NULL, 0}, MCP_INVALID_REQUEST,
                     "a batch was not passed on", "it has more than 1000 messages");
        return;
    }
    walk = json_walk(batch);
    while (json_walk_next(&walk)) {
        if (take(gate, walk.value, walk.value) == TAKEN) {
            whole = false;
            continue;
        }
        text_add_string(&rest, rest.size == 0 ? "[" : ",");
        text_add(&rest, walk.value.text, walk.value.size);
    }
    if (whole) {
        text_add(&gate->to_server.text, line.text, line.size);
    } else if (rest.size > 0) {
        text_add_string(&rest, "]\n");
        text_add(&gate->to_server.text, rest.text, rest.size);
    }
    free(rest.text);
}

/* Only what each reader takes for the same JSON goes on: others know more escapes, guess another
 * encoding, or end a line at a carriage return too. */
void client_line(struct gate *gate, struct json_span line) {
    static const struct json_span none = {NULL, 0};
    struct json_span value;
    struct error error;
    if (mcp_line_is_blank(line))
        text_add(&gate->to_server.text, line.text, line.size);
    else if (!mcp_line(line, &value, &error))
        answer_error(gate, none, MCP_PARSE_ERROR, "a line was not passed on", error.text);
    else if (json_span_is_array(value))
        take_batch(gate, value, line);
    else if (take(gate, value, line) == PASSES)
        text_add(&gate->to_server.text, line.text, line.size);
}

void client_line_too_long(struct gate *gate) {
    answer_error(gate, (struct json_span){NULL, 0}, MCP_INVALID_REQUEST, "a line was not passed on",
                 "it is larger than 64 MiB");
}
