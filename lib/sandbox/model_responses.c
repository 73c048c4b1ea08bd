/* OpenAI's Responses, as Codex uses them. */
#include "sandbox/model_api.h"

#include "base/clock.h"
#include "jose/digest.h"
#include "model/conversation.h"
#include "sandbox/events.h"
#include "json/json.h"

#include <math.h>
#include <stdlib.h>

static jv add_item(jv messages, jv item) {
    jv output = json_get(item, "output"), content = json_get(item, "content");
    const char *role = json_string(item, "role"), *id = json_string(item, "call_id");
    if (json_is(item, "type", "function_call")) {
        messages = model_add_call(
            messages, model_call(id, json_string(item, "name"), json_string(item, "arguments")));
    } else if (json_is(item, "type", "function_call_output")) {
        char *text = conversation_content_text(output);
        messages = model_add_result(messages, id, text);
        free(text);
    } else if (json_is(item, "role", "user") || json_is(item, "role", "assistant")) {
        char *text = conversation_content_text(content);
        messages = model_add_text(messages, role, text);
        free(text);
    }
    jv_free(output);
    jv_free(content);
    return messages;
}

static jv responses_messages(jv body) {
    jv input = json_get(body, "input"), messages = jv_array();
    const char *text = json_value_string(input);
    if (text != NULL)
        messages = model_add_text(messages, "user", text);
    jv items = json_array(body, "input");
    jv_array_foreach(items, i, item) {
        messages = add_item(messages, item);
        jv_free(item);
    }
    jv_free(items);
    jv_free(input);
    return model_if_named(body, messages);
}

/* An item of the output, with a name of its own. Takes it. */
static jv named(jv item, const char *prefix) {
    char *noise = random_name(12), *id = must_format("%s_%s", prefix, noise);
    item = json_set_string(json_set_string(item, "id", id), "status", "completed");
    free(noise);
    free(id);
    return item;
}

static jv text_part(const char *text) {
    jv part = json_set_string(model_of_type("output_text"), "text", text);
    return json_set(part, "annotations", jv_array());
}

static bool has_function(jv tools, const char *name) {
    bool has = false;
    jv_array_foreach(tools, i, tool) {
        has = has || (json_is(tool, "type", "function") && json_is(tool, "name", name));
        jv_free(tool);
    }
    return has;
}

/* The item with its namespace, if the function is in one: Codex has one for each MCP server.
 * Takes `item`. */
static jv in_namespace(jv item, jv body) {
    const char *name = json_string(item, "name");
    jv tools = json_array(body, "tools");
    bool found = has_function(tools, name);
    jv_array_foreach(tools, i, tool) {
        jv inner = json_array(tool, "tools");
        if (!found && json_is(tool, "type", "namespace") && has_function(inner, name)) {
            item = json_set(item, "namespace", json_get(tool, "name"));
            found = true;
        }
        jv_free(inner);
        jv_free(tool);
    }
    jv_free(tools);
    return item;
}

static jv output_of(jv body, jv message) {
    jv output = jv_array(), calls = json_array(message, "tool_calls");
    const char *text = json_string(message, "content");
    if (text != NULL) {
        jv item = json_set_string(named(model_of_type("message"), "msg"), "role", "assistant");
        output = jv_array_append(output, json_set(item, "content", JV_ARRAY(text_part(text))));
    }
    jv_array_foreach(calls, i, call) {
        jv function = json_get(call, "function"),
           item = named(model_of_type("function_call"), "fc");
        item = json_set_string(item, "call_id", json_string(call, "id"));
        item = json_set_string(item, "name", json_string(function, "name"));
        item = json_set_string(item, "arguments", json_string(function, "arguments"));
        output = jv_array_append(output, in_namespace(item, body));
        jv_free(function);
        jv_free(call);
    }
    jv_free(calls);
    return output;
}

static jv responses_completion(jv body, jv message) {
    double prompt = model_tokens(message);
    jv usage = json_set(jv_object(), "input_tokens", jv_number(prompt));
    usage = json_set(usage, "output_tokens", jv_number(10));
    usage = json_set(usage, "total_tokens", jv_number(prompt + 10));
    jv response = json_set_string(named(jv_object(), "resp"), "object", "response");
    response = json_set(response, "created_at", jv_number(floor(clock_now())));
    response = json_set(response, "model", json_get(body, "model"));
    response = json_set(response, "output", output_of(body, message));
    jv_free(message);
    return json_set(response, "usage", usage);
}

/* A stream: its events are numbered. */
struct numbered {
    FILE *to;
    int count;
};

/* Takes the event. */
static void put(struct numbered *stream, jv event) {
    event = json_set(event, "sequence_number", jv_number(stream->count++));
    events_put(stream->to, json_string(event, "type"), event);
}

/* An event about the item at that place; about its only part if it is not about a function call. */
static jv about(const char *type, int place, jv item) {
    jv event = json_set(model_of_type(type), "output_index", jv_number(place));
    if (!json_has(item, "arguments"))
        event = json_set(event, "content_index", jv_number(0));
    return json_set_string(event, "item_id", json_string(item, "id"));
}

/* Takes the response. */
static void put_response(struct numbered *stream, const char *type, jv response) {
    put(stream, json_set(model_of_type(type), "response", response));
}

/* Takes the item. */
static void put_whole(struct numbered *stream, const char *type, int place, jv item) {
    put(stream,
        json_set(json_set(model_of_type(type), "output_index", jv_number(place)), "item", item));
}

/* The pieces of a text or of arguments, then the whole of it in the member of that name. */
static void put_pieces(struct numbered *stream, const char *of, const char *whole, jv item,
                       int place, const char *text) {
    char *delta = must_format("response.%s.delta", of), *done = must_format("response.%s.done", of);
    for (const char *rest = text; *rest != '\0';)
        put(stream, json_set(about(delta, place, item), "delta", events_piece(&rest)));
    put(stream, json_set_string(about(done, place, item), whole, text));
    free(delta);
    free(done);
}

/* The text of a message: a part begins, its pieces, and the whole of it. */
static void put_text(struct numbered *stream, jv item, int place) {
    jv content = json_get(item, "content"), part = jv_array_get(content, 0);
    jv event = about("response.content_part.added", place, item);
    put(stream, json_set(event, "part", text_part("")));
    put_pieces(stream, "output_text", "text", item, place, json_string(part, "text"));
    put(stream, json_set(about("response.content_part.done", place, item), "part", part));
}

static void put_item(struct numbered *stream, jv item, int place) {
    const char *arguments = json_string(item, "arguments");
    jv begun = json_set_string(jv_copy(item), "status", "in_progress");
    begun = arguments != NULL ? json_set_string(begun, "arguments", "")
                              : json_set(begun, "content", jv_array());
    put_whole(stream, "response.output_item.added", place, begun);
    if (arguments != NULL)
        put_pieces(stream, "function_call_arguments", "arguments", item, place, arguments);
    else
        put_text(stream, item, place);
    put_whole(stream, "response.output_item.done", place, jv_copy(item));
}

static void responses_stream(jv body, jv completion, FILE *to) {
    (void)body;
    struct numbered stream = {.to = to, .count = 0};
    jv begun = json_set_string(jv_copy(completion), "status", "in_progress");
    begun = json_set(begun, "output", jv_array());
    put_response(&stream, "response.created", jv_copy(begun));
    put_response(&stream, "response.in_progress", begun);
    jv output = json_array(completion, "output");
    jv_array_foreach(output, i, item) {
        put_item(&stream, item, i);
        jv_free(item);
    }
    jv_free(output);
    put_response(&stream, "response.completed", jv_copy(completion));
}

const struct model_api model_responses = {.messages = responses_messages,
                                          .completion = responses_completion,
                                          .stream = responses_stream,
                                          .error = model_openai_error};
