/* Anthropic's Messages API, converted to and from OpenAI's form. What that form cannot hold
 * (thinking, its signature) is kept in the message's member `anthropic`, and sent back
 * unchanged. */
#include "model/chat_api.h"

#include "model/conversation.h"
#include "model/tool_results.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>

/* The answer to --schema-file: this API has no parameter for it, so a tool that must be called. */
static const char answer_tool[] = "answer";

static jv text_block(const char *text) {
    return json_set_string(chat_api_typed("text"), "text", text);
}

static jv source_of(const char *url) {
    char type[100];
    const char *base64;
    if (!chat_api_data_url(url, type, sizeof type, &base64))
        return json_set_string(chat_api_typed("url"), "url", url);
    jv source = json_set_string(chat_api_typed("base64"), "media_type", type);
    return json_set_string(source, "data", base64);
}

/* A part of a user's message. Invalid and an error if this API cannot express it. */
static jv part_block(jv part, struct error *error) {
    jv image = json_get(part, "image_url"), file = json_get(part, "file"), block = jv_invalid();
    const char *text = json_string(part, "text"), *url = json_string(image, "url");
    const char *data = json_string(file, "file_data"), *type = json_string(part, "type");
    if (text != NULL && json_is(part, "type", "text"))
        block = text_block(text);
    else if (url != NULL)
        block = json_set(chat_api_typed("image"), "source", source_of(url));
    else if (data != NULL)
        block = json_set(chat_api_typed("document"), "source", source_of(data));
    else
        fail(error, STATUS_INPUT, "a message has a part that this API cannot take: %.60s",
             type != NULL ? type : "of no type");
    jv_free(image);
    jv_free(file);
    return block;
}

/* The blocks of a message's content. Invalid and an error if one cannot be converted. */
static jv content_blocks(jv content, struct error *error) {
    jv blocks = jv_array();
    const char *words = json_value_string(content);
    if (words != NULL && *words != '\0')
        blocks = jv_array_append(blocks, text_block(words));
    if (jv_get_kind(content) != JV_KIND_ARRAY)
        return blocks;
    bool good = true;
    jv_array_foreach(content, i, part) {
        jv block = good ? part_block(part, error) : jv_invalid();
        good = good && jv_is_valid(block);
        if (good)
            blocks = jv_array_append(blocks, block);
        jv_free(part);
    }
    if (good)
        return blocks;
    jv_free(blocks);
    return jv_invalid();
}

static jv tool_use(jv tool_call) {
    jv function = json_get(tool_call, "function"), input = jv_object();
    const char *arguments = json_string(function, "arguments");
    struct error ignored;
    jv parsed;
    if (arguments != NULL && json_parse(arguments, strlen(arguments), &parsed, &ignored)) {
        if (jv_get_kind(parsed) == JV_KIND_OBJECT) {
            jv_free(input);
            input = parsed;
        } else {
            jv_free(parsed);
        }
    }
    jv block = json_set_string(chat_api_typed("tool_use"), "id", json_string(tool_call, "id"));
    block = json_set_string(block, "name", json_string(function, "name"));
    jv_free(function);
    return json_set(block, "input", input);
}

/* The block with what a tool returned: text stays text. Invalid and an error. */
static jv tool_result(jv message, jv content, struct error *error) {
    jv told, own = json_get(message, "anthropic");
    jv block = json_set_string(chat_api_typed("tool_result"), "tool_use_id",
                               json_string(message, "tool_call_id"));
    if (json_has(own, "is_error"))
        block = json_set(block, "is_error", json_get(own, "is_error"));
    jv_free(own);
    if (tool_result_is_text(content)) {
        char *text = conversation_content_text(content);
        told = jv_string(text);
        free(text);
    } else {
        told = content_blocks(content, error);
    }
    if (jv_is_valid(told))
        return JV_ARRAY(json_set(block, "content", told));
    jv_free(block);
    return told;
}

/* Converts a message to its role and blocks. */
static jv message_blocks(jv message, const char **role, struct error *error) {
    jv content = json_get(message, "content"), blocks, own = json_get(message, "anthropic");
    *role = "user";
    if (json_is(message, "role", "tool")) {
        blocks = tool_result(message, content, error);
    } else if (!json_is(message, "role", "assistant")) {
        blocks = content_blocks(content, error);
    } else if (jv_get_kind(own) == JV_KIND_ARRAY) {
        *role = "assistant";
        blocks = jv_copy(own);
    } else {
        *role = "assistant";
        blocks = content_blocks(content, error);
        jv calls = json_array(message, "tool_calls");
        jv_array_foreach(calls, i, call) {
            if (jv_is_valid(blocks))
                blocks = jv_array_append(blocks, tool_use(call));
            jv_free(call);
        }
        jv_free(calls);
    }
    jv_free(content);
    jv_free(own);
    return blocks;
}

/* Adds a message, or extends the last one if that has the same role. Takes all. */
static jv add_blocks(jv messages, const char *role, jv blocks) {
    int count = jv_array_length(jv_copy(messages));
    jv last = count > 0 ? jv_array_get(jv_copy(messages), count - 1) : jv_invalid();
    if (jv_array_length(jv_copy(blocks)) == 0) {
        jv_free(blocks);
        jv_free(last);
        return messages;
    }
    if (json_is(last, "role", role)) {
        blocks = jv_array_concat(json_get(last, "content"), blocks);
        return jv_array_set(messages, count - 1, json_set(last, "content", blocks));
    }
    jv_free(last);
    jv message = json_set_string(jv_object(), "role", role);
    return jv_array_append(messages, json_set(message, "content", blocks));
}

static bool is_system(jv message) {
    return json_is(message, "role", "system") || json_is(message, "role", "developer");
}

/* The body with messages and system. False and an error. */
static bool add_messages(jv *body, jv document, struct error *error) {
    jv all = json_array(document, "messages"), messages = jv_array();
    jv instructions = jv_array();
    bool good = true;
    jv_array_foreach(all, i, message) {
        const char *role;
        jv blocks = good ? message_blocks(message, &role, error) : jv_invalid();
        good = good && jv_is_valid(blocks);
        if (good && is_system(message))
            instructions = jv_array_concat(instructions, blocks);
        else if (good)
            messages = add_blocks(messages, role, blocks);
        jv_free(message);
    }
    jv_free(all);
    *body = json_set(*body, "messages", messages);
    if (jv_array_length(jv_copy(instructions)) > 0)
        *body = json_set(*body, "system", instructions);
    else
        jv_free(instructions);
    return good;
}

static jv tool_of(jv definition) {
    jv function = json_get(definition, "function"), schema = json_get(function, "parameters");
    jv tool = json_set_string(jv_object(), "name", json_string(function, "name"));
    tool = json_set_string(tool, "description", json_string(function, "description"));
    jv_free(function);
    return json_set(tool, "input_schema", jv_is_valid(schema) ? schema : chat_api_typed("object"));
}

static jv add_tools(const struct chat_wishes *wishes, jv body, jv document) {
    jv definitions = json_array(document, "tools"), tools = jv_array();
    const char *choice = wishes->tool_choice;
    jv_array_foreach(definitions, i, definition) {
        tools = jv_array_append(tools, tool_of(definition));
        jv_free(definition);
    }
    jv_free(definitions);
    if (jv_is_valid(wishes->schema)) {
        jv tool = json_set_string(jv_object(), "name", answer_tool);
        tool = json_set_string(tool, "description", "Gives the answer.");
        tools = jv_array_append(tools, json_set(tool, "input_schema", jv_copy(wishes->schema)));
        choice = jv_array_length(jv_copy(tools)) == 1 ? answer_tool : "required";
    }
    if (jv_array_length(jv_copy(tools)) == 0) {
        jv_free(tools);
        return body;
    }
    body = json_set(body, "tools", tools);
    if (choice == NULL && !wishes->no_parallel_calls)
        return body;
    choice = choice != NULL ? choice : "auto";
    bool named = chat_api_names_tool(choice);
    jv value = chat_api_typed(named ? "tool" : strcmp(choice, "required") == 0 ? "any" : choice);
    value = json_set_string(value, "name", named ? choice : NULL);
    if (wishes->no_parallel_calls && strcmp(choice, "none") != 0)
        value = json_set(value, "disable_parallel_tool_use", jv_true());
    return json_set(body, "tool_choice", value);
}

static jv request(const struct chat_wishes *wishes, jv document, struct error *error) {
    jv body = json_set_string(jv_object(), "model", wishes->model);
    body = json_set(body, "max_tokens", jv_number(4096)); /* required by this API */
    if (wishes->stream)
        body = json_set(body, "stream", jv_true());
    body = add_tools(wishes, body, document);
    if (add_messages(&body, document, error))
        return body;
    jv_free(body);
    return jv_invalid();
}

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
        } else if (json_is(block, "type", "tool_use") && json_is(block, "name", answer_tool)) {
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
    static const char *const finishes[][2] = {{"end_turn", "stop"},
                                              {"stop_sequence", "stop"},
                                              {"tool_use", "tool_calls"},
                                              {"max_tokens", "length"},
                                              {"refusal", "content_filter"}};
    jv blocks = json_get(body, "content"), own = json_get(body, "usage");
    bool more, good = jv_get_kind(blocks) == JV_KIND_ARRAY;
    if (good) {
        reply->message = message_of(blocks, &more);
        if (more)
            reply->message = json_set(reply->message, "anthropic", jv_copy(blocks));
        reply->usage = jv_is_valid(own) ? usage_of(own) : jv_invalid();
        for (size_t i = 0; i < sizeof finishes / sizeof *finishes; i++)
            if (json_is(body, "stop_reason", finishes[i][0]))
                reply->finish = finishes[i][1];
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
            bool merge = jv_get_kind(before) == JV_KIND_OBJECT;
            stream->body =
                json_set(stream->body, "usage",
                         merge ? jv_object_merge(jv_copy(before), jv_copy(usage)) : jv_copy(usage));
        }
        jv_free(delta);
        jv_free(usage);
        jv_free(before);
    } else if (strcmp(name, "message_stop") == 0) {
        stream->finished = true;
    }
}

const struct chat_dialect chat_dialect_anthropic = {
    .own_member = "anthropic",
    .request = request,
    .read = read_answer,
    .event = take_event,
};
