/* A completion as the chunks of OpenAI's stream: each text, and each call's arguments, in pieces of
 * a few characters; the pieces of several calls in turns. */
#include "sandbox.h"

#include "json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 7 /* bytes, at least */ };

struct chunks {
    FILE *to;
    jv frame; /* what each chunk has beside its choices */
};

static void put_event(struct chunks *chunks, jv choices, jv usage) {
    jv chunk = json_set(jv_copy(chunks->frame), "choices", choices);
    if (jv_is_valid(usage))
        chunk = json_set(chunk, "usage", usage);
    char *text = json_text(chunk);
    fprintf(chunks->to, "data: %s\n\n", text);
    free(text);
    jv_free(chunk);
}

static void put_delta(struct chunks *chunks, jv delta, jv finish_reason) {
    jv choice = json_set(json_set(jv_object(), "index", jv_number(0)), "delta", delta);
    put_event(chunks, JV_ARRAY(json_set(choice, "finish_reason", finish_reason)), jv_invalid());
}

/* The next few characters of a text; *text is moved behind them. */
static jv next_piece(const char **text) {
    size_t size = strlen(*text), piece = size < PIECE ? size : PIECE;
    while (piece < size && ((*text)[piece] & 0xC0) == 0x80)
        piece++;
    jv taken = jv_string_sized(*text, (int)piece);
    *text += piece;
    return taken;
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
        rest[i] = json_string(function, "arguments"); /* which the calls keep */
        jv_free(function);
        jv_free(call);
    }
    for (bool more = true; more;) {
        more = false;
        for (int i = 0; i < count; i++) {
            if (rest[i] == NULL || *rest[i] == '\0')
                continue;
            jv delta = call_delta(i, json_set(jv_object(), "arguments", next_piece(&rest[i])));
            put_delta(chunks, json_set(jv_object(), "tool_calls", JV_ARRAY(delta)), jv_null());
            more = true;
        }
    }
    free(rest);
}

void model_stream(jv completion, bool with_usage, struct sandbox_reply *reply) {
    struct chunks chunks = {.frame =
                                json_delete(json_delete(jv_copy(completion), "choices"), "usage")};
    chunks.frame = json_set_string(chunks.frame, "object", "chat.completion.chunk");
    chunks.to = open_memstream(&reply->made, &reply->text_size);
    if (chunks.to == NULL)
        out_of_memory();
    jv choices = json_get(completion, "choices"), choice = jv_array_get(jv_copy(choices), 0);
    jv message = json_get(choice, "message"), calls = json_get(message, "tool_calls");
    const char *text = json_string(message, "content");
    jv begin = json_set_string(jv_object(), "role", "assistant");
    put_delta(&chunks, json_set(begin, "content", text ? jv_string("") : jv_null()), jv_null());
    while (text != NULL && *text != '\0')
        put_delta(&chunks, json_set(jv_object(), "content", next_piece(&text)), jv_null());
    if (jv_is_valid(calls))
        put_calls(&chunks, calls);
    put_delta(&chunks, jv_object(), json_get(choice, "finish_reason"));
    if (with_usage)
        put_event(&chunks, jv_array(), json_get(completion, "usage"));
    fprintf(chunks.to, "data: [DONE]\n\n");
    fclose(chunks.to);
    reply->status = 200;
    reply->text = reply->made;
    reply->content_type = "text/event-stream";
    jv_free(choices);
    jv_free(choice);
    jv_free(message);
    jv_free(calls);
    jv_free(chunks.frame);
}
