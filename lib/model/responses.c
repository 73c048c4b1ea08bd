/* OpenAI's Responses API, converted to and from the form of its chat completions. Items that the
 * form cannot hold (reasoning) are kept in the message's member `responses`, and sent back
 * unchanged. Nothing is stored on the server. */
#include "model/chat_api.h"

#include "model/answer_schema.h"
#include "model/chat_kept.h"
#include "model/conversation.h"
#include "model/tool_calls.h"
#include "model/tool_results.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>

/* A part of a user's message. Invalid and an error if this API cannot express it. */
static jv input_part(jv part, struct error *error) {
    jv image = json_get(part, "image_url"), file = json_get(part, "file"), made = jv_invalid();
    const char *text = json_string(part, "text"), *url = json_string(image, "url");
    const char *type = json_string(part, "type");
    if (text != NULL && json_is(part, "type", "text")) {
        made = json_set_string(chat_api_typed("input_text"), "text", text);
    } else if (url != NULL) {
        made = json_set_string(chat_api_typed("input_image"), "image_url", url);
        made = json_set_string(made, "detail", json_string(image, "detail"));
    } else if (jv_get_kind(file) == JV_KIND_OBJECT) {
        made = jv_object_merge(chat_api_typed("input_file"), jv_copy(file));
    } else {
        fail(error, STATUS_INPUT, "a message has a part that this API cannot take: %.60s",
             type != NULL ? type : "of no type");
    }
    jv_free(image);
    jv_free(file);
    return made;
}

/* A message's content for the request: text stays text. Invalid and an error. */
static jv input_content(jv content, struct error *error) {
    if (jv_get_kind(content) != JV_KIND_ARRAY)
        return jv_get_kind(content) == JV_KIND_STRING ? jv_copy(content) : jv_string("");
    jv parts = jv_array();
    bool good = true;
    jv_array_foreach(content, i, part) {
        jv made = good ? input_part(part, error) : jv_invalid();
        good = good && jv_is_valid(made);
        if (good)
            parts = jv_array_append(parts, made);
        jv_free(part);
    }
    if (good)
        return parts;
    jv_free(parts);
    return jv_invalid();
}

static jv function_call(jv tool_call) {
    jv function = json_get(tool_call, "function");
    jv item =
        json_set_string(chat_api_typed("function_call"), "call_id", json_string(tool_call, "id"));
    item = json_set_string(item, "name", json_string(function, "name"));
    item = json_set_string(item, "arguments", json_string(function, "arguments"));
    jv_free(function);
    return item;
}

/* The model's words as an item. Some servers know it only by its type, and by that of its part; an
 * id, which OpenAI's types have, must be one that OpenAI made. */
static jv output_message(const char *text) {
    jv part = json_set_string(chat_api_typed("output_text"), "text", text);
    jv item = json_set_string(chat_api_typed("message"), "role", "assistant");
    return json_set(item, "content", JV_ARRAY(part));
}

/* The items that an answer may have: a document can be somebody else's, and what is stored at the
 * server, or a consent, is not asked for by what looks like an answer. Takes them. */
static jv only_output(jv items) {
    jv kept = jv_array();
    jv_array_foreach(items, i, item) {
        bool foreign = jv_get_kind(item) != JV_KIND_OBJECT ||
                       json_is(item, "type", "item_reference") ||
                       json_is(item, "type", "mcp_approval_response") ||
                       (json_has(item, "role") && !json_is(item, "role", "assistant"));
        kept = foreign ? (jv_free(item), kept) : jv_array_append(kept, item);
    }
    jv_free(items);
    return kept;
}

/* The output items for the model's message: the original ones, or equivalent ones. */
static jv output_items(const struct chat_wishes *wishes, jv message) {
    jv own = chat_kept_own(wishes, message, "responses"), items = jv_array();
    if (jv_get_kind(own) == JV_KIND_ARRAY) {
        jv_free(items);
        return tool_calls_set_ids(message, only_output(own), "function_call", "call_id");
    }
    jv_free(own);
    jv content = json_get(message, "content"), calls = json_array(message, "tool_calls");
    char *text = conversation_content_text(content);
    if (*text != '\0')
        items = jv_array_append(items, output_message(text));
    jv_array_foreach(calls, i, call) {
        items = jv_array_append(items, function_call(call));
        jv_free(call);
    }
    free(text);
    jv_free(content);
    jv_free(calls);
    return items;
}

/* What a tool returned: text stays text. Invalid and an error. */
static jv tool_output(jv content, struct error *error) {
    if (!tool_result_is_text(content))
        return input_content(content, error);
    char *text = conversation_content_text(content);
    jv output = jv_string(text);
    free(text);
    return output;
}

/* The items of one message. Invalid and an error. */
static jv message_items(const struct chat_wishes *wishes, jv message, struct error *error) {
    if (json_is(message, "role", "assistant"))
        return output_items(wishes, message);
    jv content = json_get(message, "content"), item;
    if (json_is(message, "role", "tool")) {
        jv output = tool_output(content, error);
        item = json_set_string(chat_api_typed("function_call_output"), "call_id",
                               json_string(message, "tool_call_id"));
        item = jv_is_valid(output) ? json_set(item, "output", output) : (jv_free(item), output);
    } else {
        jv input = input_content(content, error);
        item = jv_is_valid(input)
                   ? json_set(json_set_string(jv_object(), "role", json_string(message, "role")),
                              "content", input)
                   : jv_invalid();
    }
    jv_free(content);
    return jv_is_valid(item) ? JV_ARRAY(item) : jv_invalid();
}

static jv add_tools(const struct chat_wishes *wishes, jv body, jv document) {
    jv definitions = json_array(document, "tools"), tools = jv_array();
    const char *choice = wishes->tool_choice;
    jv_array_foreach(definitions, i, definition) {
        jv function = json_get(definition, "function");
        jv tool = chat_api_typed("function");
        if (jv_get_kind(function) == JV_KIND_OBJECT) /* a document can be somebody else's */
            tool = jv_object_merge(tool, jv_copy(function));
        jv_free(function);
        if (!json_has(tool, "strict"))
            tool = json_set(tool, "strict", jv_false()); /* which is not its default */
        tools = jv_array_append(tools, tool);
        jv_free(definition);
    }
    jv_free(definitions);
    if (jv_array_length(jv_copy(tools)) == 0) {
        jv_free(tools);
        return body;
    }
    body = json_set(body, "tools", tools);
    if (wishes->no_parallel_calls)
        body = json_set(body, "parallel_tool_calls", jv_false());
    if (choice == NULL)
        return body;
    bool named = chat_api_names_tool(choice);
    return json_set(body, "tool_choice",
                    named ? json_set_string(chat_api_typed("function"), "name", choice)
                          : jv_string(choice));
}

static jv add_settings(const struct chat_wishes *wishes, jv body, jv document) {
    jv text = json_set_string(jv_object(), "verbosity", wishes->verbosity);
    if (wishes->stream)
        body = json_set(body, "stream", jv_true());
    if (jv_is_valid(wishes->schema) && (wishes->learned & CHAT_NO_FORMAT) != 0) {
        char *words = answer_schema_words(wishes->schema);
        body = json_set_string(body, "instructions", words);
        free(words);
    } else if (jv_is_valid(wishes->schema)) {
        jv format = answer_schema_format(wishes->schema, (wishes->learned & CHAT_NO_STRICT) == 0);
        text = json_set(text, "format", json_set_string(format, "type", "json_schema"));
    }
    if (jv_object_length(jv_copy(text)) > 0)
        body = json_set(body, "text", jv_copy(text));
    jv_free(text);
    if (wishes->reasoning_effort != NULL)
        body = json_set(body, "reasoning",
                        json_set_string(jv_object(), "effort", wishes->reasoning_effort));
    body = json_set_string(body, "service_tier", wishes->service_tier);
    if (wishes->temperature >= 0)
        body = json_set(body, "temperature", jv_number(wishes->temperature));
    if (wishes->cache)
        body = json_set(body, "prompt_cache_key", chat_api_cache_key(document));
    return body;
}

static jv request(const struct chat_wishes *wishes, jv document, struct error *error) {
    jv body = json_set_string(jv_object(), "model", wishes->model), input = jv_array();
    jv messages = json_array(document, "messages");
    bool good = true;
    jv_array_foreach(messages, i, message) {
        jv items = good ? message_items(wishes, message, error) : jv_invalid();
        good = good && jv_is_valid(items);
        if (good)
            input = jv_array_concat(input, items);
        jv_free(message);
    }
    jv_free(messages);
    body = json_set(body, "input", input);
    body = json_set(body, "store", jv_false());
    body = json_set(body, "include", JV_ARRAY(jv_string("reasoning.encrypted_content")));
    body = add_settings(wishes, body, document);
    body = add_tools(wishes, body, document);
    if (good)
        return body;
    jv_free(body);
    return jv_invalid();
}

/* Adds the parts of an item that the message can hold. Sets *more if there are others. */
static jv take_item(jv message, jv item, bool *more) {
    if (json_is(item, "type", "message")) {
        jv parts = json_array(item, "content"), text = json_take(&message, "content");
        if (jv_get_kind(text) != JV_KIND_STRING) {
            jv_free(text);
            text = jv_string("");
        }
        jv_array_foreach(parts, i, part) {
            const char *words = json_string(part, "text");
            text = jv_string_append_str(text, words != NULL ? words : "");
            message = json_set_string(message, "refusal", json_string(part, "refusal"));
            jv_free(part);
        }
        jv_free(parts);
        *more = *more || json_has(item, "phase"); /* which must be sent back */
        return json_set(message, "content", text);
    }
    if (!json_is(item, "type", "function_call")) {
        *more = true;
        return message;
    }
    jv function = json_set_string(jv_object(), "name", json_string(item, "name"));
    function = json_set_string(function, "arguments", json_string(item, "arguments"));
    jv call = json_set_string(chat_api_typed("function"), "id", json_string(item, "call_id"));
    call = json_set(call, "function", function);
    jv calls = jv_array_append(json_take_array(&message, "tool_calls"), call);
    return json_set(message, "tool_calls", calls);
}

static jv usage_of(jv own) {
    static const char *const names[][2] = {{"input_tokens", "prompt_tokens"},
                                           {"output_tokens", "completion_tokens"},
                                           {"total_tokens", "total_tokens"},
                                           {"input_tokens_details", "prompt_tokens_details"},
                                           {"output_tokens_details", "completion_tokens_details"}};
    jv usage = jv_object();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (json_has(own, names[i][0]))
            usage = json_set(usage, names[i][1], json_get(own, names[i][0]));
    return usage;
}

static enum chat_end end_of(jv body, jv items) {
    jv details = json_get(body, "incomplete_details");
    enum chat_end end = json_is(details, "reason", "content_filter")
                            ? CHAT_END_FILTERED
                            : chat_api_end_of(body, "status");
    jv_array_foreach(items, i, item) {
        bool is_call = json_is(item, "type", "function_call");
        if (is_call && end == CHAT_END_WHOLE && json_has(item, "status"))
            end = chat_api_end_of(item, "status");
        jv_free(item);
    }
    jv_free(details);
    return end;
}

static bool read_answer(jv body, struct chat_reply *reply, struct error *error) {
    jv items = json_get(body, "output"), own = json_get(body, "usage");
    bool more = false, good = jv_get_kind(items) == JV_KIND_ARRAY;
    if (good) {
        jv message = json_set_string(jv_object(), "role", "assistant");
        message = json_set(message, "content", jv_null());
        jv_array_foreach(items, i, item) {
            message = take_item(message, item, &more);
            jv_free(item);
        }
        if (more)
            message = json_set(message, "responses", jv_copy(items));
        reply->message = message;
        reply->usage = jv_is_valid(own) ? usage_of(own) : jv_invalid();
        reply->end = end_of(body, items);
    } else {
        fail(error, STATUS_PROTOCOL,
             "the model's answer has no output; has the server at OPENAI_BASE_URL the Responses "
             "API?");
    }
    jv_free(items);
    jv_free(own);
    return good;
}

/* The last event has the whole answer; earlier ones are used only to show its text. */
static void take_event(struct chat_stream *stream, const char *event, jv data) {
    const char *type = json_string(data, "type"), *name = type != NULL ? type : event;
    jv response = json_get(data, "response");
    if (strcmp(name, "response.output_text.delta") == 0) {
        chat_api_show(stream, json_string(data, "delta"));
    } else if (strcmp(name, "response.completed") == 0 ||
               strcmp(name, "response.incomplete") == 0) {
        jv_free(stream->body);
        stream->body = jv_copy(response);
        stream->finished = true;
    } else if (strcmp(name, "response.failed") == 0) {
        jv_free(stream->failure);
        stream->failure = jv_copy(response);
    }
    jv_free(response);
}

const struct chat_dialect chat_dialect_responses = {
    .own_member = "responses",
    .request = request,
    .read = read_answer,
    .event = take_event,
};
