#include "gate/server_lines.h"

#include "gate/task_lines.h"
#include "mcp/message.h"

#include <stdlib.h>
#include <string.h>

enum fate { PASSES, DROPPED };

static enum fate drop(struct gate *gate, const char *why) {
    gate_report(gate, "server", why);
    return DROPPED;
}

/* An answer goes on if it is one to a request that the server has. */
static enum fate take_answer(struct gate *gate, const struct mcp_message *message) {
    struct held_call *call = held_calls_by_id(&gate->held, message->id);
    if (call != NULL && call->task != NULL) {
        task_ran(gate, call, message);
        return DROPPED;
    }
    if (call != NULL && call->passed) {
        held_calls_remove(&gate->held, call);
        return PASSES;
    }
    return call == NULL && id_set_take(&gate->passed, message->id)
               ? PASSES
               : drop(gate, "an answer to what it was not asked was dropped");
}

/* What becomes of a message that is no request and no notification. */
static enum fate take_response(struct gate *gate, const struct mcp_message *message) {
    bool has_id = message->id.text != NULL && !json_span_is(message->id, "null");
    bool is_error = message->error.text != NULL && message->result.text == NULL;
    if (message->method != NULL || (!has_id && !is_error))
        return drop(gate, "a message that is unclear was dropped");
    return has_id ? take_answer(gate, message) : PASSES;
}

/* Whether it tells of a task of ours, of which only we may tell. */
static bool tells_our_task(const struct gate *gate, const struct mcp_message *message) {
    static const char method[] = "notifications/tasks";
    if (!gate->has_tasks || strncmp(message->method, method, sizeof method - 1) != 0)
        return false;
    char *id = json_span_string(json_span_member(message->params, "taskId"));
    bool ours = id != NULL && task_is_ours(id);
    free(id);
    return ours;
}

/* One message; adds what is passed on of it. */
static enum fate take(struct gate *gate, struct json_span object, struct text *to) {
    struct mcp_message message;
    struct error error;
    enum fate fate = PASSES;
    int kind = TOOLS_FIRST_PAGE;
    bool good = mcp_message_read(object, &message, &error);
    bool responds = good && (message.method == NULL || message.result.text != NULL ||
                             message.error.text != NULL);
    if (!good)
        fate = drop(gate, "a message that is unclear was dropped");
    else if (responds)
        fate = take_response(gate, &message);
    else if (strcmp(message.method, "notifications/tools/list_changed") == 0)
        gated_tools_forget(gate->tools);
    else if (tells_our_task(gate, &message))
        fate = drop(gate, "a word on a task that is not the server's was dropped");
    bool has_addition = responds && fate == PASSES && message.id.text != NULL &&
                        gate_take_list(gate, message.id, &kind) && message.result.text != NULL;
    if (has_addition && kind == DISCOVERY)
        task_discovery(object, message.result, to);
    else if (has_addition)
        gated_tools_list(gate->tools, object, message.result, kind == TOOLS_FIRST_PAGE, to);
    else if (fate == PASSES)
        text_add(to, object.text, object.size);
    mcp_message_free(&message);
    return fate;
}

/* The bytes of the line around what was read of it stay: its white space, and its end. */
static void take_one(struct gate *gate, struct json_span object, struct json_span line) {
    struct text *to = &gate->to_client.text;
    size_t before = (size_t)(object.text - line.text), size = to->size;
    text_add(to, line.text, before);
    if (take(gate, object, to) == DROPPED) {
        to->size = size;
        return;
    }
    text_add(to, object.text + object.size, line.size - before - object.size);
}

static void take_batch(struct gate *gate, struct json_span batch, struct json_span line) {
    struct text rest = {.text = NULL};
    bool whole = true;
    struct json_walk walk = json_walk(batch);
    while (json_walk_next(&walk)) {
        struct text one = {.text = NULL};
        if (take(gate, walk.value, &one) == DROPPED) {
            whole = false;
        } else {
            text_add_string(&rest, rest.size == 0 ? "[" : ",");
            text_add(&rest, one.text, one.size);
            whole = whole && one.size == walk.value.size;
        }
        free(one.text);
    }
    if (whole) {
        text_add(&gate->to_client.text, line.text, line.size);
    } else if (rest.size > 0) {
        text_add_string(&rest, "]\n");
        text_add(&gate->to_client.text, rest.text, rest.size);
    }
    free(rest.text);
}

void server_line(struct gate *gate, struct json_span line) {
    struct json_span value;
    struct error error;
    if (mcp_line_is_blank(line))
        text_add(&gate->to_client.text, line.text, line.size);
    else if (!mcp_line(line, &value, &error))
        drop(gate, "a line that is not JSON was dropped");
    else if (json_span_is_array(value))
        take_batch(gate, value, line);
    else
        take_one(gate, value, line);
}
