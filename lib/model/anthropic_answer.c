/* Answers of Anthropic's Messages API, converted to OpenAI's form. What that form cannot hold
 * (thinking, its signature) is kept in the message's member `anthropic`, and sent back
 * unchanged. */
#include "model/anthropic.h"

#include "model/chat_pieces.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>

static jv tool_call_of(jv block) {
    jv input = json_get(block, "input");
    char *arguments = json_text(jv_is_valid(input) ? input : jv_null());
    jv function = json_set_string(jv_object(), "name", json_string(block, "name"));
    function = json_set_string(function, "arguments", arguments);
    free(arguments);
    jv_free(input);
    jv call = json_set_string(jv_object(), "id", json_string(block, "id"));
    return json_set(json_set_string(call, "type", "function"), "function", function);
}

/* Converts the blocks that OpenAI's form can hold. Sets *more if there are others. */
static jv message_of(jv blocks, bool *more) {
    jv calls = jv_array(), text = jv_string(""), answer = jv_invalid();
    *more = false;
    jv_array_foreach(blocks, i, block) {
        const char *words = json_string(block, "text");
        if (json_is(block, "type", "text") && words != NULL) {
            text = jv_string_append_str(text, words);
        } else if (json_is(block, "type", "tool_use") &&
                   json_is(block, "name", ANTHROPIC_ANSWER_TOOL)) {
            jv_free(answer);
            answer = json_get(block, "input");
            *more = false;
        } else if (json_is(block, "type", "tool_use")) {
            calls = jv_array_append(calls, tool_call_of(block));
        } else {
            *more = true;
        }
        jv_free(block);
    }
    if (jv_is_valid(answer)) {
        char *json = json_text(answer);
        jv_free(text);
        text = jv_string(json);
        free(json);
    }
    jv_free(answer);
    jv message = json_set_string(jv_object(), "role", "assistant");
    bool empty = jv_string_length_bytes(jv_copy(text)) == 0;
    message = json_set(message, "content", empty ? (jv_free(text), jv_null()) : text);
    if (jv_array_length(jv_copy(calls)) > 0)
        return json_set(message, "tool_calls", calls);
    jv_free(calls);
    return message;
}

static double number_of(jv object, const char *key) {
    double number = 0;
    json_number(object, key, &number);
    return number;
}

static jv usage_of(jv own) {
    double cached = number_of(own, "cache_read_input_tokens"),
           prompt = number_of(own, "input_tokens") + cached +
                    number_of(own, "cache_creation_input_tokens"),
           completion = number_of(own, "output_tokens");
    jv usage = json_set(jv_object(), "prompt_tokens", jv_number(prompt));
    usage = json_set(usage, "completion_tokens", jv_number(completion));
    usage = json_set(usage, "total_tokens", jv_number(prompt + completion));
    if (cached > 0)
        usage = json_set(usage, "prompt_tokens_details",
                         json_set(jv_object(), "cached_tokens", jv_number(cached)));
    return usage;
}

static bool read_answer(jv body, struct chat_reply *reply, struct error *error) {
    jv blocks = json_get(body, "content"), own = json_get(body, "usage");
    bool more, good = jv_get_kind(blocks) == JV_KIND_ARRAY;
    if (good) {
        reply->message = message_of(blocks, &more);
        if (more)
            reply->message = json_set(reply->message, "anthropic", jv_copy(blocks));
        reply->usage = jv_is_valid(own) ? usage_of(own) : jv_invalid();
        reply->end = chat_api_end_of(body, "stop_reason");
        if (reply->end == CHAT_END_UNSAID) /* which a whole answer never is here */
            reply->end = CHAT_END_UNKNOWN;
    } else {
        fail(error, STATUS_PROTOCOL,
             "the model's answer has no content; is ANTHROPIC_BASE_URL Anthropic's Messages API?");
    }
    jv_free(blocks);
    jv_free(own);
    return good;
}

/* The block with an event's index, in its current state. */
static jv block_at(jv blocks, double index) {
    return index >= 0 && index < jv_array_length(jv_copy(blocks))
               ? jv_array_get(jv_copy(blocks), (int)index)
               : jv_object();
}

static jv append_member(jv block, const char *key, const char *more) {
    jv text = json_take(&block, key);
    if (jv_get_kind(text) != JV_KIND_STRING) {
        jv_free(text);
        text = jv_string("");
    }
    return json_set(block, key, jv_string_append_str(text, more != NULL ? more : ""));
}

static jv add_delta(struct chat_stream *stream, jv block, jv delta) {
    static const struct {
        const char *type, *from, *to;
    } kinds[] = {{"text_delta", "text", "text"},
                 {"input_json_delta", "partial_json", "partial_json"},
                 {"thinking_delta", "thinking", "thinking"},
                 {"signature_delta", "signature", "signature"}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (json_is(delta, "type", kinds[i].type)) {
            block = append_member(block, kinds[i].to, json_string(delta, kinds[i].from));
            if (i == 0)
                chat_api_show(stream, json_string(delta, "text"));
        }
    }
    return block;
}

/* Parses the arguments, which arrived as pieces of JSON. Invalid JSON stays text, which the check
 * of the arguments refuses. */
static jv close_block(jv block) {
    const char *text = json_string(block, "partial_json");
    struct error ignored;
    jv input;
    if (text == NULL || *text == '\0')
        return json_delete(block, "partial_json");
    if (!json_parse(text, strlen(text), &input, &ignored))
        input = jv_string(text);
    return json_delete(json_set(block, "input", input), "partial_json");
}

static void take_block_event(struct chat_stream *stream, const char *name, jv data) {
    double index = -1;
    jv blocks = json_take_array(&stream->body, "content");
    json_number(data, "index", &index);
    int count = jv_array_length(jv_copy(blocks));
    if (!(index >= 0 && index <= count)) {
        stream->body = json_set(stream->body, "content", blocks);
        return;
    }
    jv block = block_at(blocks, index);
    if (index < count) /* so that this is the only reference */
        blocks = jv_array_set(blocks, (int)index, jv_null());
    if (strcmp(name, "content_block_start") == 0) {
        jv_free(block);
        block = json_get(data, "content_block");
        chat_api_count(stream, jv_copy(block));
        chat_api_show(stream, json_string(block, "text"));
    } else if (strcmp(name, "content_block_delta") == 0) {
        jv delta = json_get(data, "delta");
        chat_api_count(stream, jv_copy(delta));
        block = add_delta(stream, block, delta);
        jv_free(delta);
    } else {
        block = close_block(block);
    }
    if (jv_is_valid(block))
        blocks = jv_array_set(blocks, (int)index, block);
    stream->body = json_set(stream->body, "content", blocks);
}

/* Closes the blocks that no event has closed: what came of their arguments is not left out. */
static jv close_blocks(jv blocks) {
    int count = jv_array_length(jv_copy(blocks));
    for (int i = 0; i < count; i++)
        blocks = jv_array_set(blocks, i, close_block(jv_array_get(jv_copy(blocks), i)));
    return blocks;
}

static void take_event(struct chat_stream *stream, const char *event, jv data) {
    const char *type = json_string(data, "type"), *name = type != NULL ? type : event;
    if (strcmp(name, "message_start") == 0) {
        jv message = json_get(data, "message");
        if (jv_get_kind(message) == JV_KIND_OBJECT) {
            jv_free(stream->body);
            stream->body = message;
        } else {
            jv_free(message);
        }
    } else if (strncmp(name, "content_block_", 14) == 0) {
        take_block_event(stream, name, data);
    } else if (strcmp(name, "message_delta") == 0) {
        jv delta = json_get(data, "delta"), usage = json_get(data, "usage");
        jv before = json_get(stream->body, "usage");
        if (json_has(delta, "stop_reason"))
            stream->body = json_set(stream->body, "stop_reason", json_get(delta, "stop_reason"));
        if (jv_get_kind(usage) == JV_KIND_OBJECT) {
            chat_api_count(stream, jv_copy(usage));
            chat_pieces_check(stream, before);
            bool merge = jv_get_kind(before) == JV_KIND_OBJECT;
            stream->body =
                json_set(stream->body, "usage",
                         merge ? jv_object_merge(jv_copy(before), jv_copy(usage)) : jv_copy(usage));
        }
        jv_free(delta);
        jv_free(usage);
        jv_free(before);
    } else if (strcmp(name, "message_stop") == 0) {
        jv blocks = close_blocks(json_take_array(&stream->body, "content"));
        stream->body = json_set(stream->body, "content", blocks);
        stream->finished = true;
    }
}

static bool pauses(jv answer) {
    return json_is(answer, "stop_reason", "pause_turn");
}

static jv go_on(jv request, jv begun) {
    jv message = json_set_string(jv_object(), "role", "assistant");
    jv blocks = json_array(begun, "content"), kept = jv_array();
    jv_array_foreach(blocks, i, block) {
        kept = anthropic_is_empty(block) ? (jv_free(block), kept) : jv_array_append(kept, block);
    }
    jv_free(blocks);
    jv messages = json_take_array(&request, "messages");
    return json_set(request, "messages",
                    jv_array_append(messages, json_set(message, "content", kept)));
}

/* The sum of the tokens of both is what the answer has cost. */
static jv join(jv begun, jv answer) {
    static const char *const counts[] = {"input_tokens", "cache_creation_input_tokens",
                                         "cache_read_input_tokens", "output_tokens"};
    jv last = json_get(answer, "content");
    bool is_answer = jv_get_kind(last) == JV_KIND_ARRAY;
    jv_free(last);
    if (!is_answer)
        return (jv_free(begun), answer);
    jv before = json_get(begun, "usage"), usage = json_get(answer, "usage");
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        if (number_of(before, counts[i]) > 0)
            usage = json_set(usage, counts[i],
                             jv_number(number_of(before, counts[i]) + number_of(usage, counts[i])));
    jv blocks = jv_array_concat(json_array(begun, "content"), json_array(answer, "content"));
    if (jv_is_valid(usage))
        answer = json_set(answer, "usage", usage);
    jv_free(before);
    jv_free(begun);
    return json_set(answer, "content", blocks);
}

const struct chat_dialect chat_dialect_anthropic = {
    .own_member = "anthropic",
    .request = anthropic_request,
    .read = read_answer,
    .event = take_event,
    .pauses = pauses,
    .go_on = go_on,
    .join = join,
};
