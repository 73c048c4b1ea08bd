/* Anthropic's Messages, as Claude Code uses them. */
#include "sandbox/model_api.h"

#include "jose/digest.h"
#include "model/conversation.h"
#include "sandbox/events.h"
#include "json/json.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Takes `messages`. */
static jv add_block(jv messages, jv block) {
    jv input = json_get(block, "input"), content = json_get(block, "content");
    if (json_is(block, "type", "tool_use")) {
        char *arguments = json_text(input);
        jv call = model_call(json_string(block, "id"), json_string(block, "name"), arguments);
        messages = model_add_call(messages, call);
        free(arguments);
    } else if (json_is(block, "type", "tool_result")) {
        char *text = conversation_content_text(content);
        messages = model_add_result(messages, json_string(block, "tool_use_id"), text);
        free(text);
    }
    jv_free(input);
    jv_free(content);
    return messages;
}

/* Takes `messages`. The results of calls come before what the user says. */
static jv add_message(jv messages, jv message) {
    jv content = json_get(message, "content"), blocks = json_array(message, "content");
    char *text = conversation_content_text(content);
    bool assistant = json_is(message, "role", "assistant");
    if (assistant)
        messages = model_add_text(messages, "assistant", text);
    jv_array_foreach(blocks, i, block) {
        messages = add_block(messages, block);
        jv_free(block);
    }
    if (json_is(message, "role", "user") && *text != '\0')
        messages = model_add_text(messages, "user", text);
    free(text);
    jv_free(blocks);
    jv_free(content);
    return messages;
}

static jv messages_messages(jv body) {
    jv from = json_array(body, "messages"), messages = jv_array();
    jv_array_foreach(from, i, message) {
        messages = add_message(messages, message);
        jv_free(message);
    }
    jv_free(from);
    return model_if_named(body, messages);
}

/* Arguments as an object, which they must be here. */
static jv input_of(jv function) {
    const char *text = json_string(function, "arguments");
    struct error ignored;
    jv input = jv_invalid();
    if (text != NULL && json_parse(text, strlen(text), &input, &ignored) &&
        jv_get_kind(input) == JV_KIND_OBJECT)
        return input;
    jv_free(input);
    return jv_object();
}

static jv messages_completion(jv body, jv message) {
    jv blocks = jv_array(), calls = json_array(message, "tool_calls");
    bool asks = json_has(message, "tool_calls");
    const char *text = json_string(message, "content");
    if (text != NULL)
        blocks = jv_array_append(blocks, json_set_string(model_of_type("text"), "text", text));
    jv_array_foreach(calls, i, call) {
        jv function = json_get(call, "function");
        jv block = json_set_string(model_of_type("tool_use"), "id", json_string(call, "id"));
        block = json_set_string(block, "name", json_string(function, "name"));
        blocks = jv_array_append(blocks, json_set(block, "input", input_of(function)));
        jv_free(function);
        jv_free(call);
    }
    char *noise = random_name(12), *id = must_format("msg_%s", noise);
    jv usage = json_set(jv_object(), "input_tokens", jv_number(model_tokens(message)));
    jv answer =
        json_set_string(json_set_string(model_of_type("message"), "id", id), "role", "assistant");
    answer = json_set(answer, "model", json_get(body, "model"));
    answer = json_set(answer, "content", blocks);
    answer = json_set_string(answer, "stop_reason", asks ? "tool_use" : "end_turn");
    answer = json_set(answer, "stop_sequence", jv_null());
    jv_free(calls);
    jv_free(message);
    free(noise);
    free(id);
    return json_set(answer, "usage", json_set(usage, "output_tokens", jv_number(10)));
}

/* An event about the block at that place. Takes the value. */
static void put_about(FILE *to, const char *type, int place, const char *key, jv value) {
    events_put(to, type,
               json_set(json_set(model_of_type(type), "index", jv_number(place)), key, value));
}

static void put_block(FILE *to, jv block, int place) {
    jv input = json_get(block, "input");
    bool is_text = json_is(block, "type", "text");
    char *arguments = json_text(input);
    const char *rest = is_text ? json_string(block, "text") : arguments;
    jv begun = is_text ? json_set_string(jv_copy(block), "text", "")
                       : json_set(jv_copy(block), "input", jv_object());
    put_about(to, "content_block_start", place, "content_block", begun);
    while (*rest != '\0') {
        jv delta = model_of_type(is_text ? "text_delta" : "input_json_delta");
        delta = json_set(delta, is_text ? "text" : "partial_json", events_piece(&rest));
        put_about(to, "content_block_delta", place, "delta", delta);
    }
    put_about(to, "content_block_stop", place, "content_block", jv_invalid());
    free(arguments);
    jv_free(input);
}

static void messages_stream(jv body, jv completion, FILE *to) {
    (void)body;
    jv begun = json_set(jv_copy(completion), "content", jv_array());
    begun = json_set(begun, "stop_reason", jv_null());
    events_put(to, "message_start", json_set(model_of_type("message_start"), "message", begun));
    jv blocks = json_array(completion, "content");
    jv_array_foreach(blocks, i, block) {
        put_block(to, block, i);
        jv_free(block);
    }
    jv_free(blocks);
    jv delta = json_set(jv_object(), "stop_reason", json_get(completion, "stop_reason"));
    delta = json_set(delta, "stop_sequence", jv_null());
    jv end = json_set(model_of_type("message_delta"), "delta", delta);
    events_put(to, "message_delta", json_set(end, "usage", json_get(completion, "usage")));
    events_put(to, "message_stop", model_of_type("message_stop"));
}

static jv messages_error(int status, const char *code, const char *text) {
    (void)code;
    const char *type = status == 401 ? "authentication_error" : "invalid_request_error";
    return json_set(model_of_type("error"), "error",
                    json_set_string(model_of_type(type), "message", text));
}

const struct model_api model_messages = {.messages = messages_messages,
                                         .completion = messages_completion,
                                         .stream = messages_stream,
                                         .error = messages_error};
