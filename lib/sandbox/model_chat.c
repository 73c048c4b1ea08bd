/* OpenAI's chat completions, whose answers need no conversion. */
#include "sandbox/model_api.h"

#include "base/clock.h"
#include "jose/digest.h"
#include "sandbox/events.h"
#include "json/json.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

static jv chat_messages(jv body) {
    jv messages = json_get(body, "messages");
    if (json_string(body, "model") != NULL && jv_get_kind(messages) == JV_KIND_ARRAY)
        return messages;
    jv_free(messages);
    return jv_invalid();
}

static jv chat_completion(jv body, jv message) {
    char *noise = random_name(12), *id = must_format("chatcmpl-%s", noise);
    double prompt = model_tokens(message);
    jv choice = json_set(jv_object(), "index", jv_number(0));
    choice = json_set_string(choice, "finish_reason",
                             json_has(message, "tool_calls") ? "tool_calls" : "stop");
    choice = json_set(choice, "message", message);
    jv usage = json_set(jv_object(), "prompt_tokens", jv_number(prompt));
    usage = json_set(usage, "completion_tokens", jv_number(10));
    usage = json_set(usage, "total_tokens", jv_number(prompt + 10));
    jv answer =
        json_set_string(json_set_string(jv_object(), "id", id), "object", "chat.completion");
    answer = json_set(answer, "created", jv_number(floor(clock_now())));
    answer = json_set(answer, "model", json_get(body, "model"));
    free(noise);
    free(id);
    return json_set(json_set(answer, "choices", JV_ARRAY(choice)), "usage", usage);
}

struct chunks {
    FILE *to;
    jv frame; /* what each chunk contains besides its choices */
};

static void put_chunk(struct chunks *chunks, jv choices, jv usage) {
    jv chunk = json_set(jv_copy(chunks->frame), "choices", choices);
    events_put(chunks->to, NULL, json_set(chunk, "usage", usage));
}

static void put_delta(struct chunks *chunks, jv delta, jv finish_reason) {
    jv choice = json_set(json_set(jv_object(), "index", jv_number(0)), "delta", delta);
    put_chunk(chunks, JV_ARRAY(json_set(choice, "finish_reason", finish_reason)), jv_invalid());
}

static jv call_delta(int index, jv function) {
    jv delta = json_set(jv_object(), "index", jv_number(index));
    return json_set(delta, "function", function);
}

static void put_calls(struct chunks *chunks, jv calls) {
    int count = jv_array_length(jv_copy(calls));
    const char **rest = must_alloc((size_t)(count + 1) * sizeof *rest);
    for (int i = 0; i < count; i++) {
        jv call = jv_array_get(jv_copy(calls), i), function = json_get(call, "function");
        jv begun = json_set_string(jv_object(), "name", json_string(function, "name"));
        jv delta = call_delta(i, json_set_string(begun, "arguments", ""));
        delta = json_set_string(delta, "id", json_string(call, "id"));
        delta = json_set_string(delta, "type", "function");
        put_delta(chunks, json_set(jv_object(), "tool_calls", JV_ARRAY(delta)), jv_null());
        rest[i] = json_string(function, "arguments"); /* the calls hold references */
        jv_free(function);
        jv_free(call);
    }
    for (bool more = true; more;) {
        more = false;
        for (int i = 0; i < count; i++) {
            if (rest[i] == NULL || *rest[i] == '\0')
                continue;
            jv delta = call_delta(i, json_set(jv_object(), "arguments", events_piece(&rest[i])));
            put_delta(chunks, json_set(jv_object(), "tool_calls", JV_ARRAY(delta)), jv_null());
            more = true;
        }
    }
    free(rest);
}

/* The pieces of several calls are interleaved. */
static void chat_stream(jv body, jv completion, FILE *to) {
    struct chunks chunks = {
        .to = to, .frame = json_delete(json_delete(jv_copy(completion), "choices"), "usage")};
    chunks.frame = json_set_string(chunks.frame, "object", "chat.completion.chunk");
    jv choices = json_get(completion, "choices"), choice = jv_array_get(jv_copy(choices), 0);
    jv message = json_get(choice, "message"), calls = json_get(message, "tool_calls");
    jv options = json_get(body, "stream_options"), wanted = json_get(options, "include_usage");
    const char *text = json_string(message, "content");
    jv begin = json_set_string(jv_object(), "role", "assistant");
    put_delta(&chunks, json_set(begin, "content", text ? jv_string("") : jv_null()), jv_null());
    while (text != NULL && *text != '\0')
        put_delta(&chunks, json_set(jv_object(), "content", events_piece(&text)), jv_null());
    if (jv_is_valid(calls))
        put_calls(&chunks, calls);
    put_delta(&chunks, jv_object(), json_get(choice, "finish_reason"));
    if (jv_get_kind(wanted) == JV_KIND_TRUE)
        put_chunk(&chunks, jv_array(), json_get(completion, "usage"));
    fprintf(to, "data: [DONE]\n\n");
    jv_free(wanted);
    jv_free(options);
    jv_free(choices);
    jv_free(choice);
    jv_free(message);
    jv_free(calls);
    jv_free(chunks.frame);
}

const struct model_api model_chat = {.messages = chat_messages,
                                     .completion = chat_completion,
                                     .stream = chat_stream,
                                     .error = model_openai_error};
