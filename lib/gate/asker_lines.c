#include "gate/asker_lines.h"

#include "base/clock.h"
#include "gate/permission_server.h"
#include "gate/task_lines.h"
#include "mcp/message.h"

#include <stdlib.h>
#include <string.h>

static void add_value(struct text *to, struct json_span value, const char *as) {
    if (value.text == NULL || json_span_is(value, "null"))
        return;
    text_add_string(to, ",\"");
    text_add_string(to, as);
    text_add_string(to, "\":");
    text_add(to, value.text, value.size);
}

/* Whether a call has what the user is not shown, beside what MCP itself, tracing, and Claude Code
 * (the call's id) put there. */
static bool has_more(struct json_span params) {
    static const char *const known[] = {"progressToken", "traceparent", "tracestate", "baggage"};
    struct json_walk walk = json_walk(json_span_member(params, "_meta"));
    bool more = json_span_member(params, "requestState").text != NULL;
    while (!more && json_walk_next(&walk)) {
        char *key = json_span_string(walk.key);
        more = key == NULL || (strncmp(key, "io.modelcontextprotocol/", 24) != 0 &&
                               strncmp(key, "claudecode/", 11) != 0);
        for (size_t i = 0; more && key != NULL && i < sizeof known / sizeof *known; i++)
            more = strcmp(key, known[i]) != 0;
        free(key);
    }
    return more;
}

/* The text itself, so that it goes on as it came. */
static void add_params(struct text *to, struct json_span params) {
    char *text = json_span_copy(params), *string = mcp_string(text);
    text_add_string(to, ",\"params\":");
    text_add_string(to, string);
    free(string);
    free(text);
}

void asker_ask(struct gate *gate, const struct held_call *call, struct json_span params,
               bool as_task) {
    struct text *to = &gate->to_asker.text;
    char *begin = must_format("{\"ask\":%lu", call->number);
    text_add_string(to, begin);
    struct json_span name, input;
    if (gate->grants && permission_call(json_span_member(params, "arguments"), &name, &input)) {
        add_value(to, name, "name");
        add_value(to, input, "arguments");
    } else {
        add_value(to, json_span_member(params, "name"), "name");
        add_value(to, json_span_member(params, "arguments"), "arguments");
    }
    add_value(to, json_span_member(params, "inputResponses"), "inputResponses");
    if (has_more(params))
        text_add_string(to, ",\"more\":true");
    if (as_task)
        add_params(to, params);
    text_add_string(to, "}\n");
    free(begin);
}

void asker_forget(struct gate *gate, const struct held_call *call) {
    char *line = must_format("{\"forget\":%lu}\n", call->number);
    text_add_string(&gate->to_asker.text, line);
    free(line);
}

/* The call that a member names by its number; NULL if it is not known, or no longer held. */
static struct held_call *named(const struct gate *gate, struct json_span message,
                               const char *member) {
    struct json_span number = json_span_member(message, member);
    if (number.text == NULL)
        return NULL;
    struct held_call *call = held_calls_by_number(&gate->held, strtoul(number.text, NULL, 10));
    return call != NULL && !call->passed ? call : NULL;
}

static void was_asked(struct gate *gate, struct held_call *call, struct json_span message) {
    struct json_span seconds = json_span_member(message, "seconds");
    char *user = json_span_string(json_span_member(message, "user"));
    call->user = user != NULL ? gate_user(gate, user) : NULL;
    free(user);
    call->until = clock_elapsed() + (seconds.text != NULL ? strtod(seconds.text, NULL) : 0);
    gate_tell_progress(gate, call);
}

/* The call goes on as it came. */
static void pass(struct gate *gate, struct held_call *call) {
    text_add(&gate->to_server.text, call->line, call->size);
    if (call->line[call->size - 1] != '\n')
        text_add_string(&gate->to_server.text, "\n");
    held_calls_pass(&gate->held, call);
}

static void refuse(struct gate *gate, struct held_call *call, struct json_span message) {
    char *reason = json_span_string(json_span_member(message, "reason"));
    char *why = must_format("not approved: %s; the tool was not called",
                            reason != NULL ? reason : "no reason is known");
    gate_refuse(gate, call, why);
    free(why);
    free(reason);
}

bool asker_line(struct gate *gate, struct json_span line) {
    struct json_span message;
    struct error error;
    struct held_call *call;
    if (!json_span(line.text, line.size, &message, &error))
        return false;
    if ((call = named(gate, message, "asked")) != NULL)
        was_asked(gate, call, message);
    else if ((call = named(gate, message, "yes")) != NULL)
        pass(gate, call);
    else if ((call = named(gate, message, "no")) != NULL)
        refuse(gate, call, message);
    else if ((call = named(gate, message, "told")) != NULL)
        task_told(gate, call, message);
    else if (json_span_member(message, "run").text != NULL)
        task_run(gate, message);
    return true;
}
